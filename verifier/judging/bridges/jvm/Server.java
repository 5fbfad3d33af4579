package assay_bridge;

import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigInteger;
import java.util.*;

/**
 * The solution's side: answers calls of the program's classes until the channel closes.
 *
 * <p>Arguments: the data classes of the declaration. Standard input is the channel.
 */
final class Server extends Thread {
    private final List<String> names;
    private final List<Object> instances = new ArrayList<>();

    private Server(List<String> names) {
        super(null, null, "main", Wire.STACK_BYTES);
        this.names = names;
    }

    /** Starts answering. */
    public static void main(String[] args) {
        System.setIn(new ByteArrayInputStream(new byte[0]));
        new Server(Arrays.asList(args)).start();
    }

    @Override
    public void run() {
        try {
            Wire wire = new Wire(
                    new FileInputStream(FileDescriptor.in), new FileOutputStream(FileDescriptor.in), names);
            while (true) {
                Wire.Reader request = wire.receive();
                if (request == null) break;
                answer(wire, request);
            }
            System.out.flush();
            Runtime.getRuntime().halt(0);
        } catch (Throwable broken) {
            broken.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private void answer(Wire wire, Wire.Reader request) throws IOException, Wire.Uncrossable {
        Wire.Writer reply;
        try {
            reply = answered(wire, request);
        } catch (Throwable failure) {
            // What the program threw, or what cannot cross: both end the call.
            Throwable cause = failure instanceof InvocationTargetException ? failure.getCause() : failure;
            if (cause instanceof OutOfMemoryError) {
                // Told apart from other errors by this line, and by the end of the process.
                cause.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
            boolean isException = cause instanceof Exception && !(cause instanceof Wire.Uncrossable);
            reply = wire.message();
            reply.tag('X');
            reply.text(isException ? name(cause) : "!" + cause.getClass().getName());
            String message = isException || cause instanceof Wire.Uncrossable ? cause.getMessage() : null;
            reply.tag(message == null ? 0 : 1);
            if (message != null) reply.text(message.length() > 10_000 ? message.substring(0, 10_000) : message);
        }
        reply.send();
    }

    /** The nearest class that the tester may know: a subclass of its own making is caught as its parent is. */
    private String name(Throwable cause) {
        Class<?> type = cause.getClass();
        while (type.getClassLoader() != null && !names.contains(type.getName())) type = type.getSuperclass();
        return type.getName();
    }

    private Wire.Writer answered(Wire wire, Wire.Reader request) throws Throwable {
        int kind = request.tag();
        int handle = request.number();
        Class<?> owner = Class.forName(request.text());
        String name = request.text();
        String result = request.text();
        boolean inPlace = request.tag() == 1;
        String[] types = new String[request.number()];
        for (int at = 0; at < types.length; at++) types[at] = request.text();
        Object[] args = new Object[types.length];
        for (int at = 0; at < args.length; at++) args[at] = request.value();
        Object value;
        if (kind == 'N') {
            Constructor<?> constructor = (Constructor<?>) chosen(owner.getDeclaredConstructors(), "", types, args);
            instances.add(constructor.newInstance(args));
            value = instances.size() - 1;
        } else {
            Method method = (Method) method(owner, name, types, args);
            Object target = null;
            if (!Modifier.isStatic(method.getModifiers())) {
                if (kind == 'S') throw new NoSuchMethodException(name + " is not static");
                target = instances.get(handle);
            }
            value = fitted(method.invoke(target, args), result);
        }
        Wire.Writer reply = wire.message();
        reply.tag('R');
        reply.value(value);
        if (inPlace) reply.value(args);
        return reply;
    }

    private static Executable method(Class<?> owner, String name, String[] types, Object[] args)
            throws NoSuchMethodException {
        NoSuchMethodException missing = null;
        for (Class<?> at = owner; at != null && at != Object.class; at = at.getSuperclass()) {
            try {
                return chosen(at.getDeclaredMethods(), name, types, args);
            } catch (NoSuchMethodException none) {
                missing = none;
            }
        }
        throw missing == null ? new NoSuchMethodException(name) : missing;
    }

    /** The one of the name that declares these types, else the only one that takes as many, else one that fits. */
    private static Executable chosen(Executable[] all, String name, String[] types, Object[] args)
            throws NoSuchMethodException {
        Executable found = null;
        int best = 0;
        for (Executable candidate : all) {
            boolean isNamed = candidate instanceof Constructor || candidate.getName().equals(name);
            if (!isNamed || candidate.isSynthetic() || candidate.getParameterCount() != types.length) continue;
            int fit = 1;
            Class<?>[] parameters = candidate.getParameterTypes();
            boolean isExact = true;
            boolean takes = true;
            for (int at = 0; at < types.length; at++) {
                isExact &= parameters[at].getSimpleName().equals(types[at]);
                takes &= parameters[at].isPrimitive() ? args[at] != null : args[at] == null || parameters[at].isInstance(args[at]);
            }
            if (takes) fit = 2;
            if (isExact) fit = 3;
            if (fit > best) {
                best = fit;
                found = candidate;
            }
        }
        if (found == null) throw new NoSuchMethodException(name + " with " + types.length + " parameters");
        found.setAccessible(true);
        return found;
    }

    /** A number as the declaration has it: what a program wider or narrower than it returns, if nothing is lost. */
    private static Object fitted(Object value, String result) {
        if (!(value instanceof Number || value instanceof Character)) return value;
        boolean isWhole = value instanceof Integer || value instanceof Long || value instanceof Short
                || value instanceof Byte;
        long whole = isWhole ? ((Number) value).longValue() : 0;
        switch (result) {
            case "int":
            case "Integer":
                if (isWhole && whole == (int) whole) return (int) whole;
                break;
            case "long":
            case "Long":
                if (isWhole) return whole;
                break;
            case "short":
            case "Short":
                if (isWhole && whole == (short) whole) return (short) whole;
                break;
            case "byte":
            case "Byte":
                if (isWhole && whole == (byte) whole) return (byte) whole;
                break;
            case "double":
            case "Double":
                if (isWhole || value instanceof Float) return ((Number) value).doubleValue();
                break;
            case "float":
            case "Float":
                if (isWhole) return ((Number) value).floatValue();
                break;
            case "BigInteger":
                if (isWhole) return BigInteger.valueOf(whole);
                break;
            default:
                break;
        }
        return value;
    }
}
