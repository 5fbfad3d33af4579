package assay_bridge;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.BufferUnderflowException;
import java.util.*;

/**
 * Messages of plain tagged data, length first.
 *
 * <p>Whatever comes in is hostile: counts are held against the bytes that are there before anything is allocated,
 * nesting is bounded, and only the classes named here and the data classes of the declaration are ever made. No
 * lambda stands in these files: the first one costs a start-up more than all the rest.
 */
final class Wire {
    static final int MAX_MESSAGE = 16 << 20;
    /** Of containers; a chain of data objects may be longer, since a linked list is one. */
    private static final int MAX_DEPTH = 100;
    private static final int MAX_CHAIN = 20_000;
    /** Room for the deepest chain, and for honest recursion. */
    static final long STACK_BYTES = 64L << 20;

    /** A value that is no plain data, or bytes that are no message. */
    static final class Uncrossable extends Exception {
        private static final long serialVersionUID = 1L;

        Uncrossable(String message) {
            super(message, null, false, false);
        }
    }

    private static final Class<?>[] PRIMITIVES = {
        boolean.class, byte.class, char.class, short.class, int.class, long.class, float.class, double.class
    };
    private static final int[] WIDTHS = {1, 1, 2, 2, 4, 8, 4, 8};
    private static final Class<?>[] ELEMENTS = {
        Object.class, String.class, Boolean.class, Byte.class, Character.class, Short.class, Integer.class, Long.class,
        Float.class, Double.class, Number.class, BigInteger.class, BigDecimal.class, CharSequence.class,
        Comparable.class, Collection.class, List.class, ArrayList.class, LinkedList.class, Set.class, HashSet.class,
        TreeSet.class, LinkedHashSet.class, Map.class, HashMap.class, LinkedHashMap.class, TreeMap.class,
        Map.Entry.class, Optional.class, Deque.class, Queue.class, ArrayDeque.class
    };
    private static final Class<?>[] COLLECTIONS = {
        ArrayList.class, LinkedList.class, Arrays.asList().getClass(), null, HashSet.class, LinkedHashSet.class,
        TreeSet.class, null, ArrayDeque.class, PriorityQueue.class, Vector.class, Stack.class
    };
    private static final int FIXED = 2, FROZEN_LIST = 3, LINKED_SET = 5, FROZEN_SET = 7;
    private static final Class<?>[] MAPS = {HashMap.class, LinkedHashMap.class, TreeMap.class, null};
    private static final int LINKED_MAP = 1, FROZEN_MAP = 3;

    private final Map<String, Class<?>> declared = new HashMap<>();
    private final Map<Class<?>, Field[]> fields = new HashMap<>();
    private final DataInputStream in;
    private final OutputStream out;

    /** @param names binary names of the data classes of the declaration */
    Wire(InputStream in, OutputStream out, Collection<String> names) throws ClassNotFoundException {
        this.in = new DataInputStream(in);
        this.out = out;
        for (String name : names) {
            declared.put(name, Class.forName(name, false, Wire.class.getClassLoader()));
        }
    }

    /** The next message, or null at the end of the stream. */
    Reader receive() throws IOException, Uncrossable {
        int first = in.read();
        if (first < 0) return null;
        int size = first << 24 | in.readUnsignedByte() << 16 | in.readUnsignedShort();
        if (size < 0 || size > MAX_MESSAGE) throw new Uncrossable("a message of " + size + " bytes");
        // As it comes, not at once: a length costs its sender nothing.
        byte[] bytes = in.readNBytes(size);
        if (bytes.length != size) return null;
        return new Reader(bytes);
    }

    Writer message() {
        return new Writer();
    }

    private Field[] fieldsOf(Class<?> type) {
        Field[] found = fields.get(type);
        if (found != null) return found;
        List<Field> all = new ArrayList<>();
        for (Class<?> at = type; at != null && at != Object.class; at = at.getSuperclass()) {
            for (Field field : at.getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers()) || field.isSynthetic()) continue;
                field.setAccessible(true);
                all.add(field);
            }
        }
        found = all.toArray(new Field[0]);
        fields.put(type, found);
        return found;
    }

    private static int indexOf(Class<?>[] types, Class<?> type) {
        for (int at = 0; at < types.length; at++) if (types[at] == type) return at;
        return -1;
    }

    private String declaredName(Class<?> type) {
        for (Class<?> at = type; at != null; at = at.getSuperclass()) {
            if (declared.get(at.getName()) == at) return at.getName();
        }
        return null;
    }

    /** One message on its way out. */
    final class Writer {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        private final DataOutputStream to = new DataOutputStream(bytes);
        private final IdentityHashMap<Object, Integer> seen = new IdentityHashMap<>();

        void send() throws IOException, Uncrossable {
            check();
            byte[] body = bytes.toByteArray();
            byte[] whole = ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).array();
            out.write(whole);
            out.flush();
        }

        void tag(int tag) throws IOException {
            to.writeByte(tag);
        }

        void number(int value) throws IOException {
            to.writeInt(value);
        }

        void text(String text) throws IOException {
            boolean narrow = true;
            for (int at = 0; at < text.length() && narrow; at++) narrow = text.charAt(at) < 256;
            to.writeByte(narrow ? 1 : 2);
            to.writeInt(text.length());
            if (narrow) {
                to.writeBytes(text);
            } else {
                to.writeChars(text);
            }
        }

        void value(Object value) throws IOException, Uncrossable {
            value(value, 0, 0);
        }

        private void check() throws Uncrossable {
            if (bytes.size() > MAX_MESSAGE) throw new Uncrossable("a value of more than " + MAX_MESSAGE + " bytes");
        }

        private void value(Object value, int depth, int chain) throws IOException, Uncrossable {
            check();
            if (depth > MAX_DEPTH || chain > MAX_CHAIN) throw new Uncrossable("a value nested too deeply");
            if (value == null) {
                tag('0');
                return;
            }
            Class<?> type = value.getClass();
            if (type == String.class) {
                tag('s');
                text((String) value);
            } else if (type == Boolean.class) {
                tag((Boolean) value ? 't' : 'n');
            } else if (type == Integer.class) {
                tag('i');
                to.writeInt((Integer) value);
            } else if (type == Long.class) {
                tag('l');
                to.writeLong((Long) value);
            } else if (type == Double.class) {
                tag('d');
                to.writeLong(Double.doubleToRawLongBits((Double) value));
            } else if (type == Character.class) {
                tag('c');
                to.writeChar((Character) value);
            } else if (type == Float.class) {
                tag('f');
                to.writeInt(Float.floatToRawIntBits((Float) value));
            } else if (type == Short.class) {
                tag('h');
                to.writeShort((Short) value);
            } else if (type == Byte.class) {
                tag('b');
                to.writeByte((Byte) value);
            } else if (type.isArray()) {
                array(value, type.getComponentType(), depth, chain);
            } else {
                other(value, type, depth, chain);
            }
        }

        private void other(Object value, Class<?> type, int depth, int chain) throws IOException, Uncrossable {
            String name = declaredName(type);
            if (name != null) {
                object(value, declared.get(name), name, depth, chain);
            } else if (value instanceof BigInteger) {
                tag('I');
                // A subclass can give any bytes, once: they are all that crosses.
                blob(((BigInteger) value).toByteArray());
            } else if (value instanceof BigDecimal) {
                tag('D');
                number(((BigDecimal) value).scale());
                blob(((BigDecimal) value).unscaledValue().toByteArray());
            } else if (value instanceof Collection) {
                collection((Collection<?>) value, type, depth, chain);
            } else if (value instanceof Map) {
                map((Map<?, ?>) value, type, depth, chain);
            } else if (value instanceof Map.Entry) {
                tag('E');
                value(((Map.Entry<?, ?>) value).getKey(), depth + 1, chain);
                value(((Map.Entry<?, ?>) value).getValue(), depth + 1, chain);
            } else if (type == Optional.class) {
                tag(((Optional<?>) value).isPresent() ? 'O' : 'o');
                if (((Optional<?>) value).isPresent()) value(((Optional<?>) value).get(), depth + 1, chain);
            } else if (type == OptionalInt.class || type == OptionalLong.class || type == OptionalDouble.class) {
                primitive(value);
            } else if (type == StringBuilder.class || type == StringBuffer.class) {
                tag(type == StringBuilder.class ? 'B' : 'F');
                text(value.toString());
            } else {
                throw new Uncrossable("a value of the class " + type.getName());
            }
        }

        private void primitive(Object value) throws IOException, Uncrossable {
            Object inside = null;
            char tag = 'x';
            if (value instanceof OptionalInt) {
                if (((OptionalInt) value).isPresent()) inside = ((OptionalInt) value).getAsInt();
            } else if (value instanceof OptionalLong) {
                tag = 'y';
                if (((OptionalLong) value).isPresent()) inside = ((OptionalLong) value).getAsLong();
            } else {
                tag = 'z';
                if (((OptionalDouble) value).isPresent()) inside = ((OptionalDouble) value).getAsDouble();
            }
            tag(tag);
            value(inside);
        }

        private void blob(byte[] data) throws IOException, Uncrossable {
            if (data.length > MAX_MESSAGE) throw new Uncrossable("a number too long");
            number(data.length);
            to.write(data);
        }

        private void array(Object array, Class<?> component, int depth, int chain) throws IOException, Uncrossable {
            int length = Array.getLength(array);
            int primitive = indexOf(PRIMITIVES, component);
            tag('A');
            component(component);
            number(length);
            if (primitive < 0) {
                for (Object item : (Object[]) array) value(item, depth + 1, chain);
                return;
            }
            if ((long) length * WIDTHS[primitive] > MAX_MESSAGE) throw new Uncrossable("an array too long");
            for (int at = 0; at < length; at++) {
                switch (primitive) {
                    case 0 -> to.writeByte(((boolean[]) array)[at] ? 1 : 0);
                    case 1 -> to.writeByte(((byte[]) array)[at]);
                    case 2 -> to.writeChar(((char[]) array)[at]);
                    case 3 -> to.writeShort(((short[]) array)[at]);
                    case 4 -> to.writeInt(((int[]) array)[at]);
                    case 5 -> to.writeLong(((long[]) array)[at]);
                    case 6 -> to.writeInt(Float.floatToRawIntBits(((float[]) array)[at]));
                    default -> to.writeLong(Double.doubleToRawLongBits(((double[]) array)[at]));
                }
            }
        }

        private void component(Class<?> component) throws IOException, Uncrossable {
            int levels = 0;
            while (component.isArray()) {
                component = component.getComponentType();
                levels++;
            }
            to.writeByte(levels);
            int primitive = indexOf(PRIMITIVES, component);
            int element = indexOf(ELEMENTS, component);
            String name = declaredName(component);
            if (primitive >= 0) {
                to.writeByte(primitive);
            } else if (element >= 0) {
                to.writeByte(32 + element);
            } else if (name != null) {
                to.writeByte(255);
                text(name);
            } else {
                throw new Uncrossable("an array of the class " + component.getName());
            }
        }

        private void collection(Collection<?> items, Class<?> type, int depth, int chain)
                throws IOException, Uncrossable {
            int kind = indexOf(COLLECTIONS, type);
            Comparator<?> order = null;
            if (items instanceof SortedSet) order = ((SortedSet<?>) items).comparator();
            if (items instanceof PriorityQueue) order = ((PriorityQueue<?>) items).comparator();
            if (order != null && items instanceof Set) kind = LINKED_SET;
            if (kind < 0 && items instanceof List) {
                kind = type.getName().startsWith("java.util.Immutable") ? FROZEN_LIST : 0;
            } else if (kind < 0 && items instanceof Set) {
                kind = type.getName().startsWith("java.util.Immutable") ? FROZEN_SET : LINKED_SET;
            } else if (kind < 0 && type.getName().startsWith("java.util.")) {
                kind = 0;
            }
            if (kind < 0 || order != null && !(items instanceof Set)) {
                throw new Uncrossable("a value of the class " + type.getName());
            }
            Object[] all = items.toArray();
            tag('L');
            to.writeByte(kind);
            number(all.length);
            for (Object item : all) value(item, depth + 1, chain);
        }

        private void map(Map<?, ?> map, Class<?> type, int depth, int chain) throws IOException, Uncrossable {
            int kind = indexOf(MAPS, type);
            if (kind < 0) kind = type.getName().startsWith("java.util.Immutable") ? FROZEN_MAP : LINKED_MAP;
            if (map instanceof SortedMap && ((SortedMap<?, ?>) map).comparator() != null) kind = LINKED_MAP;
            Object[] all = map.entrySet().toArray();
            tag('M');
            to.writeByte(kind);
            number(all.length);
            for (Object entry : all) {
                value(((Map.Entry<?, ?>) entry).getKey(), depth + 1, chain);
                value(((Map.Entry<?, ?>) entry).getValue(), depth + 1, chain);
            }
        }

        private void object(Object value, Class<?> type, String name, int depth, int chain)
                throws IOException, Uncrossable {
            if (value instanceof Enum) {
                tag('N');
                text(name);
                text(((Enum<?>) value).name());
                return;
            }
            Integer known = seen.get(value);
            if (known != null) {
                tag('R');
                number(known);
                return;
            }
            seen.put(value, seen.size());
            Field[] all = fieldsOf(type);
            tag('T');
            text(name);
            number(all.length);
            for (Field field : all) {
                text(field.getName());
                try {
                    value(field.get(value), depth, chain + 1);
                } catch (IllegalAccessException unreachable) {
                    throw new Uncrossable(unreachable.getMessage());
                }
            }
        }
    }

    /** One message that came in. */
    final class Reader {
        private final ByteBuffer from;
        private final List<Object> objects = new ArrayList<>();

        private Reader(byte[] bytes) {
            from = ByteBuffer.wrap(bytes);
        }

        int tag() throws Uncrossable {
            return bounded(1).get() & 255;
        }

        int number() throws Uncrossable {
            return bounded(4).getInt();
        }

        void end() throws Uncrossable {
            if (from.hasRemaining()) throw new Uncrossable("bytes after a message");
        }

        String text() throws Uncrossable {
            int width = tag();
            int count = count(width);
            if (width != 1 && width != 2) throw new Uncrossable("no text");
            char[] chars = new char[count];
            for (int at = 0; at < count; at++) chars[at] = width == 1 ? (char) (from.get() & 255) : from.getChar();
            return new String(chars);
        }

        /** Any failure to make a value, such as keys that cannot be ordered, is the message's. */
        Object value() throws Uncrossable {
            try {
                return value(0, 0);
            } catch (ClassCastException | NullPointerException | IllegalArgumentException | ArrayStoreException
                    | BufferUnderflowException | StackOverflowError | OutOfMemoryError broken) {
                throw new Uncrossable("no value: " + broken);
            }
        }

        private ByteBuffer bounded(int size) throws Uncrossable {
            if (from.remaining() < size) throw new Uncrossable("a message cut short");
            return from;
        }

        /** Of items that each take so many bytes at least. */
        private int count(int width) throws Uncrossable {
            int count = number();
            if (count < 0 || (long) count * width > from.remaining()) throw new Uncrossable("a count too large");
            return count;
        }

        private Object value(int depth, int chain) throws Uncrossable {
            if (depth > MAX_DEPTH || chain > MAX_CHAIN) throw new Uncrossable("a value nested too deeply");
            int tag = tag();
            return switch (tag) {
                case '0' -> null;
                case 't' -> Boolean.TRUE;
                case 'n' -> Boolean.FALSE;
                case 's' -> {
                    // Tests compare with == what a program gave back as it got it, and mean the text.
                    String text = text();
                    yield text.length() <= 1000 ? text.intern() : text;
                }
                case 'i' -> (Object) number();
                case 'l' -> (Object) bounded(8).getLong();
                case 'd' -> (Object) Double.longBitsToDouble(bounded(8).getLong());
                case 'c' -> (Object) bounded(2).getChar();
                case 'f' -> (Object) Float.intBitsToFloat(number());
                case 'h' -> (Object) bounded(2).getShort();
                case 'b' -> (Object) bounded(1).get();
                case 'I' -> new BigInteger(blob());
                case 'D' -> {
                    int scale = number();
                    yield new BigDecimal(new BigInteger(blob()), scale);
                }
                case 'A' -> array(depth, chain);
                case 'L' -> collection(depth, chain);
                case 'M' -> map(depth, chain);
                case 'E' -> {
                    Object key = value(depth + 1, chain);
                    yield new AbstractMap.SimpleEntry<>(key, value(depth + 1, chain));
                }
                case 'O' -> Optional.of(value(depth + 1, chain));
                case 'o' -> Optional.empty();
                case 'x' -> {
                    Integer inside = (Integer) value(depth + 1, chain);
                    yield inside == null ? OptionalInt.empty() : OptionalInt.of(inside);
                }
                case 'y' -> {
                    Long inside = (Long) value(depth + 1, chain);
                    yield inside == null ? OptionalLong.empty() : OptionalLong.of(inside);
                }
                case 'z' -> {
                    Double inside = (Double) value(depth + 1, chain);
                    yield inside == null ? OptionalDouble.empty() : OptionalDouble.of(inside);
                }
                case 'B' -> new StringBuilder(text());
                case 'F' -> new StringBuffer(text());
                case 'N' -> constant();
                case 'R' -> {
                    int at = number();
                    if (at < 0 || at >= objects.size() || objects.get(at) == null) {
                        throw new Uncrossable("a reference to nothing");
                    }
                    yield objects.get(at);
                }
                case 'T' -> object(depth, chain);
                default -> throw new Uncrossable("no value");
            };
        }

        private byte[] blob() throws Uncrossable {
            byte[] data = new byte[count(1)];
            from.get(data);
            return data;
        }

        private Class<?> component() throws Uncrossable {
            int levels = tag();
            int code = tag();
            if (levels > 16) throw new Uncrossable("an array of too many dimensions");
            Class<?> component;
            if (code == 255) {
                component = declaredClass();
            } else if (code < PRIMITIVES.length) {
                component = PRIMITIVES[code];
            } else if (code >= 32 && code - 32 < ELEMENTS.length) {
                component = ELEMENTS[code - 32];
            } else {
                throw new Uncrossable("an array of nothing");
            }
            for (int level = 0; level < levels; level++) component = component.arrayType();
            return component;
        }

        private Object array(int depth, int chain) throws Uncrossable {
            Class<?> component = component();
            int primitive = indexOf(PRIMITIVES, component);
            int length = count(primitive < 0 ? 1 : WIDTHS[primitive]);
            Object array = Array.newInstance(component, length);
            for (int at = 0; at < length; at++) {
                switch (primitive) {
                    case -1 -> ((Object[]) array)[at] = value(depth + 1, chain);
                    case 0 -> ((boolean[]) array)[at] = from.get() != 0;
                    case 1 -> ((byte[]) array)[at] = from.get();
                    case 2 -> ((char[]) array)[at] = from.getChar();
                    case 3 -> ((short[]) array)[at] = from.getShort();
                    case 4 -> ((int[]) array)[at] = from.getInt();
                    case 5 -> ((long[]) array)[at] = from.getLong();
                    case 6 -> ((float[]) array)[at] = Float.intBitsToFloat(from.getInt());
                    default -> ((double[]) array)[at] = Double.longBitsToDouble(from.getLong());
                }
            }
            return array;
        }

        private Object collection(int depth, int chain) throws Uncrossable {
            int kind = tag();
            int count = count(1);
            Collection<Object> items = switch (kind) {
                case 0, FIXED, FROZEN_LIST -> new ArrayList<>();
                case 1 -> new LinkedList<>();
                case 4 -> new HashSet<>();
                case LINKED_SET, FROZEN_SET -> new LinkedHashSet<>();
                case 6 -> new TreeSet<>();
                case 8 -> new ArrayDeque<>();
                case 9 -> new PriorityQueue<>();
                case 10 -> new Vector<>();
                case 11 -> new Stack<>();
                default -> throw new Uncrossable("no collection");
            };
            for (int at = 0; at < count; at++) items.add(value(depth + 1, chain));
            return switch (kind) {
                case FIXED -> Arrays.asList(items.toArray());
                // List.of and its kin refuse null, which toList() of a stream allows.
                case FROZEN_LIST -> items.contains(null)
                        ? Collections.unmodifiableList((List<?>) items) : List.of(items.toArray());
                case FROZEN_SET -> Collections.unmodifiableSet((Set<?>) items);
                default -> items;
            };
        }

        private Object map(int depth, int chain) throws Uncrossable {
            int kind = tag();
            int count = count(2);
            Map<Object, Object> map = switch (kind) {
                case 0 -> new HashMap<>();
                case LINKED_MAP, FROZEN_MAP -> new LinkedHashMap<>();
                case 2 -> new TreeMap<>();
                default -> throw new Uncrossable("no map");
            };
            for (int at = 0; at < count; at++) {
                Object key = value(depth + 1, chain);
                map.put(key, value(depth + 1, chain));
            }
            return kind == FROZEN_MAP ? Collections.unmodifiableMap(map) : map;
        }

        private Class<?> declaredClass() throws Uncrossable {
            Class<?> type = declared.get(text());
            if (type == null) throw new Uncrossable("a class that was not declared");
            return type;
        }

        private Object constant() throws Uncrossable {
            Class<?> type = declaredClass();
            String name = text();
            Object[] constants = type.getEnumConstants();
            if (constants != null) {
                for (Object constant : constants) if (((Enum<?>) constant).name().equals(name)) return constant;
            }
            throw new Uncrossable("no constant");
        }

        private Object object(int depth, int chain) throws Uncrossable {
            Class<?> type = declaredClass();
            if (type.isEnum() || Modifier.isAbstract(type.getModifiers())) throw new Uncrossable("no object");
            int place = objects.size();
            Object made = type.isRecord() ? null : allocate(type);
            objects.add(made);
            Map<String, Object> given = new LinkedHashMap<>();
            int count = count(6);
            for (int at = 0; at < count; at++) {
                String name = text();
                given.put(name, value(depth, chain + 1));
            }
            if (made == null) {
                made = record(type, given);
                objects.set(place, made);
                return made;
            }
            for (Field field : fieldsOf(type)) {
                if (!given.containsKey(field.getName())) continue;
                try {
                    field.set(made, given.get(field.getName()));
                } catch (IllegalAccessException unreachable) {
                    throw new Uncrossable(unreachable.getMessage());
                }
            }
            return made;
        }
    }

    /** An instance whose constructor did not run, since its fields are all that matters. */
    private static Object allocate(Class<?> type) throws Uncrossable {
        try {
            Constructor<?> constructor = sun.reflect.ReflectionFactory.getReflectionFactory()
                    .newConstructorForSerialization(type, Object.class.getDeclaredConstructor());
            return constructor.newInstance();
        } catch (ReflectiveOperationException unreachable) {
            throw new Uncrossable("no object: " + unreachable);
        }
    }

    private static Object record(Class<?> type, Map<String, Object> given) throws Uncrossable {
        java.lang.reflect.RecordComponent[] parts = type.getRecordComponents();
        Class<?>[] types = new Class<?>[parts.length];
        Object[] values = new Object[parts.length];
        for (int at = 0; at < parts.length; at++) {
            types[at] = parts[at].getType();
            values[at] = given.get(parts[at].getName());
        }
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
        } catch (InvocationTargetException refused) {
            throw new Uncrossable("no record: " + refused.getCause());
        } catch (ReflectiveOperationException unreachable) {
            throw new Uncrossable("no record: " + unreachable);
        }
    }
}
