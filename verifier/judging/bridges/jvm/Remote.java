package assay_bridge;

import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.*;
import java.util.concurrent.TimeoutException;

/**
 * The tester's side: runs the script and asks the solution's process for each call.
 *
 * <p>Arguments: the class with {@code main}, then the data classes of the declaration. Standard input is the channel.
 */
public final class Remote extends Thread {
    private static final int PASSED = 0, FAILED = 1, RAISED = 2, GONE = 3, VACUOUS = 4, UNCROSSABLE = 5;

    private static final Class<?>[] THROWN = {
        Exception.class, RuntimeException.class, ArithmeticException.class, ArrayIndexOutOfBoundsException.class,
        ArrayStoreException.class, ClassCastException.class, CloneNotSupportedException.class,
        ConcurrentModificationException.class, EmptyStackException.class, IllegalArgumentException.class,
        IllegalMonitorStateException.class, IllegalStateException.class, IndexOutOfBoundsException.class,
        InputMismatchException.class, InterruptedException.class, IOException.class, MissingResourceException.class,
        NegativeArraySizeException.class, NoSuchElementException.class, NullPointerException.class,
        NumberFormatException.class, SecurityException.class, StringIndexOutOfBoundsException.class,
        TimeoutException.class, UncheckedIOException.class, UnsupportedOperationException.class,
        java.time.DateTimeException.class, java.security.NoSuchAlgorithmException.class,
    };

    /** What the solution ended a call with and no test may take for an exception of its own: an error. */
    private static final class Death extends Error {
        private static final long serialVersionUID = 1L;

        Death(String message) {
            super(message, null, false, false);
        }
    }

    private static Wire wire;
    private static final Map<String, Class<?>> thrown = new HashMap<>();
    private static volatile int calls;
    private static final Set<Throwable> raised = Collections.newSetFromMap(new IdentityHashMap<>());
    private final String main;

    private Remote(String main) {
        super(null, null, "main", Wire.STACK_BYTES);
        this.main = main;
    }

    /** A hook at the end: a script that ends the process itself has still to have made a call. */
    private Remote() {
        this.main = null;
    }

    /** Starts the script. */
    public static void main(String[] args) throws Exception {
        List<String> names = Arrays.asList(args).subList(1, args.length);
        wire = new Wire(new FileInputStream(FileDescriptor.in), new FileOutputStream(FileDescriptor.in), names);
        System.setIn(new ByteArrayInputStream(new byte[0]));
        for (Class<?> type : THROWN) thrown.put(type.getName(), type);
        for (String name : names) {
            Class<?> type = Class.forName(name, false, Remote.class.getClassLoader());
            if (Exception.class.isAssignableFrom(type)) thrown.put(name, type);
        }
        Runtime.getRuntime().addShutdownHook(new Remote());
        new Remote(args[0]).start();
    }

    @Override
    public void run() {
        if (main == null) {
            if (calls == 0) end(VACUOUS);
            return;
        }
        try {
            Method method = Class.forName(main).getDeclaredMethod("main", String[].class);
            method.setAccessible(true);
            method.invoke(null, (Object) new String[0]);
        } catch (InvocationTargetException failure) {
            failure.getCause().printStackTrace();
            end(isRaised(failure.getCause()) ? RAISED : FAILED);
        } catch (Throwable broken) {
            broken.printStackTrace();
            end(FAILED);
        }
        end(calls == 0 ? VACUOUS : PASSED);
    }

    private static void end(int code) {
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    private static boolean isRaised(Throwable failure) {
        for (int depth = 0; failure != null && depth < 20; depth++, failure = failure.getCause()) {
            synchronized (raised) {
                if (raised.contains(failure)) return true;
            }
        }
        return false;
    }

    /** A new instance in the solution's process; its handle. */
    public static int create(String owner, String[] types, Object[] args) {
        return (Integer) ask('N', -1, owner, "", types, "int", args, false);
    }

    /** A call of a method, of an instance by its handle, or of the class where that is -1. */
    public static Object call(
            int handle, String owner, String name, String[] types, String result, boolean inPlace, Object[] args) {
        return ask(handle < 0 ? 'S' : 'M', handle, owner, name, types, result, args, inPlace);
    }

    private static synchronized Object ask(
            char kind, int handle, String owner, String name, String[] types, String result, Object[] args,
            boolean inPlace) {
        if (kind != 'N') calls++;
        try {
            Wire.Writer request = wire.message();
            request.tag(kind);
            request.number(handle);
            request.text(owner);
            request.text(name);
            request.text(result);
            request.tag(inPlace ? 1 : 0);
            request.number(args.length);
            for (String type : types) request.text(type);
            for (Object arg : args) request.value(arg);
            request.send();
        } catch (Wire.Uncrossable argument) {
            System.err.println("an argument cannot cross: " + argument.getMessage());
            end(UNCROSSABLE);
        } catch (IOException gone) {
            end(GONE);
        }
        Throwable failure = null;
        try {
            Wire.Reader reply = wire.receive();
            if (reply == null) end(GONE);
            int tag = reply.tag();
            if (tag == 'R') {
                Object value = reply.value();
                Object[] after = inPlace ? (Object[]) reply.value() : null;
                reply.end();
                if (kind == 'N' && !(value instanceof Integer)) end(GONE);
                if (after != null && after.length == args.length) {
                    for (int at = 0; at < args.length; at++) update(args[at], after[at], 0);
                }
                return value;
            }
            if (tag != 'X') end(GONE);
            String type = reply.text();
            String message = reply.tag() == 1 ? reply.text() : null;
            reply.end();
            failure = rebuilt(type, message);
        } catch (Wire.Uncrossable | IOException | ClassCastException broken) {
            System.err.println("no answer: " + broken);
            end(GONE);
        }
        synchronized (raised) {
            raised.add(failure);
        }
        throw Remote.<RuntimeException>unchecked(failure);
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> T unchecked(Throwable failure) throws T {
        throw (T) failure;
    }

    /** An exception by its standard or declared name; of an error no test can be glad. */
    private static Throwable rebuilt(String name, String message) {
        if (name.startsWith("!")) return new Death(name.substring(1) + ": " + message);
        Class<?> type = thrown.get(name);
        if (type != null) {
            try {
                Constructor<?> constructor;
                try {
                    constructor = type.getDeclaredConstructor(String.class);
                } catch (NoSuchMethodException none) {
                    constructor = type.getDeclaredConstructor();
                }
                constructor.setAccessible(true);
                boolean bare = constructor.getParameterCount() == 0;
                return (Throwable) (bare ? constructor.newInstance() : constructor.newInstance(message));
            } catch (ReflectiveOperationException | RuntimeException odd) {
                return new RuntimeException(name + ": " + message);
            }
        }
        return new RuntimeException(name + ": " + message);
    }

    /** Gives what the script holds the contents that the call left; what cannot be changed stays. */
    @SuppressWarnings("unchecked")
    private static void update(Object old, Object fresh, int depth) throws Wire.Uncrossable {
        if (old == null || fresh == null || depth > 100) return;
        try {
            if (old.getClass().isArray() && old.getClass() == fresh.getClass()) {
                int length = Array.getLength(old);
                if (length != Array.getLength(fresh)) return;
                boolean nested = old instanceof Object[] && !old.getClass().getComponentType().isPrimitive();
                if (!nested) {
                    System.arraycopy(fresh, 0, old, 0, length);
                    return;
                }
                Object[] to = (Object[]) old, from = (Object[]) fresh;
                for (int at = 0; at < length; at++) to[at] = merged(to[at], from[at], depth);
            } else if (old instanceof List && fresh instanceof List) {
                List<Object> to = (List<Object>) old, from = (List<Object>) fresh;
                List<Object> items = new ArrayList<>(to);
                for (int at = 0; at < from.size(); at++) {
                    Object item = at < items.size() ? merged(items.get(at), from.get(at), depth) : from.get(at);
                    if (at < to.size()) {
                        to.set(at, item);
                    } else {
                        to.add(item);
                    }
                }
                if (to.size() > from.size()) to.subList(from.size(), to.size()).clear();
            } else if (old instanceof Collection && fresh instanceof Collection) {
                ((Collection<Object>) old).clear();
                ((Collection<Object>) old).addAll((Collection<Object>) fresh);
            } else if (old instanceof Map && fresh instanceof Map) {
                ((Map<Object, Object>) old).clear();
                ((Map<Object, Object>) old).putAll((Map<Object, Object>) fresh);
            } else if (old instanceof StringBuilder) {
                ((StringBuilder) old).setLength(0);
                ((StringBuilder) old).append(fresh);
            } else if (old.getClass() == fresh.getClass() && old.getClass().getClassLoader() != null) {
                for (Class<?> at = old.getClass(); at != Object.class; at = at.getSuperclass()) {
                    for (Field field : at.getDeclaredFields()) {
                        if (Modifier.isStatic(field.getModifiers()) || field.isSynthetic()) continue;
                        field.setAccessible(true);
                        field.set(old, field.get(fresh));
                    }
                }
            }
        } catch (UnsupportedOperationException | IllegalAccessException unchangeable) {
            return;
        } catch (RuntimeException odd) {
            throw new Wire.Uncrossable("arguments of other classes: " + odd);
        }
    }

    private static Object merged(Object old, Object fresh, int depth) throws Wire.Uncrossable {
        boolean holds = old != null && fresh != null && old.getClass() == fresh.getClass()
                && (old.getClass().isArray() || old instanceof List);
        if (!holds || old.getClass().isArray() && Array.getLength(old) != Array.getLength(fresh)) return fresh;
        update(old, fresh, depth + 1);
        return old;
    }
}
