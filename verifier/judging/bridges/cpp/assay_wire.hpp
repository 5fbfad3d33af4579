// Plain tagged data between a tester and a solution, by the declared types of the entry point.
//
// A value is a tag and its content: u and n integers, d a double, l a long double, s text, ( items, ? an optional,
// v a variant, a an any, z nothing. What to read is decided by the declared type alone, so that nesting and the
// memory used are bounded by that type and by the bytes received.
#pragma once
#include <errno.h>
#include <stdint.h>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#ifdef ASSAY_WITH_VARIANT
#include <variant>
#endif
#ifdef ASSAY_WITH_ANY
#include "assay_any.hpp"
#include <list>
#include <map>
#include <vector>
#endif

// The program is compiled with optimisation; here it would cost more than it saves.
#pragma GCC push_options
#pragma GCC optimize("O0")

// By the reserved names of the C library: the program may have a read or an exit of its own, and no header is pulled in.
extern "C" {
ssize_t assay_read(int, void *, size_t) __asm__("__read");
ssize_t assay_write(int, const void *, size_t) __asm__("__write");
[[noreturn]] void assay_exit(int) __asm__("_exit");
}

namespace assay_wire {

constexpr int calls = 3;
constexpr uint32_t most_bytes = 16u << 20;
constexpr int most_depth = 32;

[[noreturn]] void broken();           // the other side sent no message, or one that does not fit
[[noreturn]] void uncrossable();      // this side holds an any of a type that is not in the table

typedef __int128 wide;
typedef unsigned __int128 uwide;

template <class T> using plain = std::remove_cv_t<std::remove_reference_t<T>>;
template <class T> constexpr bool is_wide = std::is_same_v<T, wide> || std::is_same_v<T, uwide>;
template <class T> constexpr bool is_integer = (std::is_integral_v<T> || is_wide<T>) && !std::is_same_v<T, bool>;
template <class T> constexpr bool is_signed = std::is_signed_v<T> || std::is_same_v<T, wide>;
template <class T> constexpr bool is_never = false;
template <class T> constexpr bool is_any = false;
template <class T> constexpr bool is_variant = false;

template <class T> concept Ranged = requires(T &v) { typename T::value_type; v.begin(); v.end(); };
template <class T> concept Sized = requires { std::tuple_size<T>::value; };
template <class T> concept Pushed = Ranged<T> && requires(T &v, typename T::value_type x) { v.push_back(x); };
template <class T> concept Inserted = Ranged<T> && requires(T &v, typename T::value_type x) { v.insert(x); };
template <class T> concept Mapped = Inserted<T> && requires { typename T::mapped_type; typename T::key_type; };
template <class T> concept Maybe = requires(T &v) { typename T::value_type; v.has_value(); *v; v.reset(); };
template <class T> concept Complex = requires(const T &v) { typename T::value_type; v.real(); v.imag(); };

struct Writer {
    std::string bytes;
    void byte(char c) { bytes.push_back(c); }
    void number(uwide n) {
        for (; n >= 128; n >>= 7) byte(char(128 | (unsigned(n) & 127)));
        byte(char(n));
    }
    void text(const char *data, size_t size) {
        byte('s');
        number(size);
        bytes.append(data, size);
    }
    void raw(const void *data, size_t size) { bytes.append(static_cast<const char *>(data), size); }
};

struct Reader {
    const char *at, *end;
    int depth = 0;
    char byte() {
        if (at == end) broken();
        return *at++;
    }
    void expect(char tag) {
        if (byte() != tag) broken();
    }
    uwide number() {
        uwide n = 0;
        for (int shift = 0; shift < 133; shift += 7) {
            unsigned char c = (unsigned char)byte();
            if (shift == 126 && c > 3) broken();
            n |= uwide(c & 127) << shift;
            if (c < 128) return n;
        }
        broken();
    }
    // How many items follow: each takes a byte at least, so no claim costs more memory than was sent.
    size_t count() {
        uwide n = number();
        if (n > uwide(end - at)) broken();
        return size_t(n);
    }
    void raw(void *data, size_t size) {
        if (size_t(end - at) < size) broken();
        __builtin_memcpy(data, at, size);
        at += size;
    }
    std::string text() {
        expect('s');
        size_t size = count();
        std::string value(at, size);
        at += size;
        return value;
    }
};

// The members of an aggregate, as a tuple of references.
struct Whatever {
    template <class T> operator T() const;
};
template <class T, class... W> constexpr size_t members() {
    if constexpr (sizeof...(W) > 10) return 0;
    else if constexpr (requires { T{W()..., Whatever()}; }) return members<T, W..., Whatever>();
    else return sizeof...(W);
}
template <class T> auto tied(T &v) {
    constexpr size_t n = members<std::remove_const_t<T>>();
    static_assert(n >= 1 && n <= 10, "assay: a structure of 1 to 10 plain members can cross, no other");
    if constexpr (n == 1) { auto &[a] = v; return std::tie(a); }
    else if constexpr (n == 2) { auto &[a, b] = v; return std::tie(a, b); }
    else if constexpr (n == 3) { auto &[a, b, c] = v; return std::tie(a, b, c); }
    else if constexpr (n == 4) { auto &[a, b, c, d] = v; return std::tie(a, b, c, d); }
    else if constexpr (n == 5) { auto &[a, b, c, d, e] = v; return std::tie(a, b, c, d, e); }
    else if constexpr (n == 6) { auto &[a, b, c, d, e, f] = v; return std::tie(a, b, c, d, e, f); }
    else if constexpr (n == 7) { auto &[a, b, c, d, e, f, g] = v; return std::tie(a, b, c, d, e, f, g); }
    else if constexpr (n == 8) { auto &[a, b, c, d, e, f, g, h] = v; return std::tie(a, b, c, d, e, f, g, h); }
    else if constexpr (n == 9) { auto &[a, b, c, d, e, f, g, h, i] = v; return std::tie(a, b, c, d, e, f, g, h, i); }
    else { auto &[a, b, c, d, e, f, g, h, i, j] = v; return std::tie(a, b, c, d, e, f, g, h, i, j); }
}

template <class T> void put(Writer &w, const T &v);
template <class T> T get(Reader &r);

#ifdef ASSAY_WITH_VARIANT
template <class... T> constexpr bool is_variant<std::variant<T...>> = true;
template <> constexpr bool is_variant<std::monostate> = true;
inline void put_variant(Writer &, const std::monostate &) {}
template <class... T> void put_variant(Writer &w, const std::variant<T...> &v) {
    w.number(v.index());
    std::visit([&w](const auto &x) { put(w, x); }, v);
}
template <class T> struct Chosen;
template <> struct Chosen<std::monostate> {
    static std::monostate get(Reader &) { return {}; }
};
template <class... T> struct Chosen<std::variant<T...>> {
    typedef std::variant<T...> Value;
    template <size_t at> static Value from(Reader &r, size_t wanted) {
        if constexpr (at == sizeof...(T)) broken();
        else if (at == wanted) return Value(std::in_place_index<at>, assay_wire::get<std::variant_alternative_t<at, Value>>(r));
        else return from<at + 1>(r, wanted);
    }
    static Value get(Reader &r) { return from<0>(r, size_t(r.number())); }
};
#endif

#ifdef ASSAY_WITH_ANY
template <> constexpr bool is_any<std::any> = true;
template <> constexpr bool is_any<boost::any> = true;
template <class A, class... T> struct Table {
    static void put(Writer &w, const std::any &v) {
        if (!v.has_value()) return w.byte(0);
        char at = 0;
        if (!((++at, v.type() == typeid(T) ? (w.byte(at), assay_wire::put(w, *std::any_cast<T>(&v)), true) : false) || ...))
            uncrossable();
    }
    static A get(Reader &r) {
        A value;
        char wanted = r.byte(), at = 0;
        if (!wanted) return value;
        if (++r.depth > most_depth) broken();
        if (!((++at == wanted ? (value = assay_wire::get<T>(r), true) : false) || ...)) broken();
        --r.depth;
        return value;
    }
};
template <class A>
using Anything = Table<A, bool, char, signed char, unsigned char, short, unsigned short, int, unsigned, long, unsigned long,
                       long long, unsigned long long, float, double, long double, std::string, const char *,
                       std::vector<int>, std::vector<double>, std::vector<std::string>, std::vector<A>, std::list<A>,
                       std::map<std::string, A>>;
#endif

// An any is std::any itself or holds one (see assay_any.hpp).
template <class A> const auto &inner(const A &v) {
    if constexpr (requires { v.assay_held; }) return v.assay_held;
    else return v;
}

template <class T> void put(Writer &w, const T &v) {
    if constexpr (std::is_same_v<T, bool>) {
        w.byte('u');
        w.byte(v ? 1 : 0);
    } else if constexpr (is_integer<T>) {
        if (is_signed<T> && v < T(0)) {
            w.byte('n');
            w.number(uwide(-(wide(v) + 1)));
        } else {
            w.byte('u');
            w.number(uwide(v));
        }
    } else if constexpr (std::is_enum_v<T>) {
        put(w, static_cast<std::underlying_type_t<T>>(v));
    } else if constexpr (std::is_same_v<T, long double>) {
        w.byte('l');
        w.raw(&v, 10);
    } else if constexpr (std::is_floating_point_v<T>) {
        double d = v;
        w.byte('d');
        w.raw(&d, 8);
    } else if constexpr (std::is_same_v<T, const char *>) {
        if (v) w.text(v, __builtin_strlen(v));
        else w.byte('z');
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
        w.text(v.data(), v.size());
    } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
        w.byte('z');
    } else if constexpr (is_any<T>) {
#ifdef ASSAY_WITH_ANY
        w.byte('a');
        Anything<T>::put(w, inner(v));
#endif
    } else if constexpr (is_variant<T>) {
#ifdef ASSAY_WITH_VARIANT
        w.byte('v');
        put_variant(w, v);
#endif
    } else if constexpr (Maybe<T>) {
        w.byte('?');
        w.byte(v.has_value() ? 1 : 0);
        if (v.has_value()) put<typename T::value_type>(w, *v);
    } else if constexpr (Complex<T>) {
        put(w, v.real());
        put(w, v.imag());
    } else if constexpr (Ranged<T>) {
        size_t n = 0;
        for (auto i = v.begin(); i != v.end(); ++i) ++n;
        w.byte('(');
        w.number(n);
        for (auto i = v.begin(); i != v.end(); ++i) put<std::remove_const_t<typename T::value_type>>(w, *i);
    } else if constexpr (Sized<T>) {
        w.byte('(');
        w.number(std::tuple_size<T>::value);
        std::apply([&w](const auto &...x) { (put(w, x), ...); }, v);
    } else if constexpr (std::is_class_v<T> && std::is_aggregate_v<T>) {
        auto all = tied(v);
        w.byte('(');
        w.number(std::tuple_size<decltype(all)>::value);
        std::apply([&w](const auto &...x) { (put(w, x), ...); }, all);
    } else {
        static_assert(is_never<T>, "assay: values of this type cannot cross between processes");
    }
}

template <class T> T get_integer(Reader &r) {
    char tag = r.byte();
    uwide n = r.number();
    constexpr uwide most = is_signed<T> ? (uwide(1) << (sizeof(T) * 8 - 1)) - 1 : sizeof(T) == 16 ? ~uwide(0) : (uwide(1) << (sizeof(T) * 8 % 128)) - 1;
    if ((tag != 'u' && !(tag == 'n' && is_signed<T>)) || n > most) broken();
    return tag == 'u' ? T(n) : T(-wide(n) - 1);
}

template <class T> void get_items(Reader &r, T &out) {
    typedef plain<typename T::value_type> Item;
    size_t n = r.count();
    if constexpr (Mapped<T>) {
        typedef plain<typename T::key_type> Key;
        typedef typename T::mapped_type Value;
        for (; n; --n) {
            r.expect('(');
            if (r.number() != 2) broken();
            Key key = get<Key>(r);
            out.insert(typename T::value_type(std::move(key), get<Value>(r)));
        }
    } else if constexpr (Pushed<T>) {
        for (; n; --n) out.push_back(get<Item>(r));
    } else if constexpr (Inserted<T>) {
        for (; n; --n) out.insert(get<Item>(r));
    } else if constexpr (Sized<T>) {
        if (n != std::tuple_size<T>::value) broken();
        for (auto &item : out) item = get<Item>(r);
    } else if constexpr (requires { out.push_front(get<Item>(r)); }) {
        auto last = out.before_begin();
        for (; n; --n) last = out.insert_after(last, get<Item>(r));
    } else {
        static_assert(is_never<T>, "assay: values of this type cannot cross between processes");
    }
}

template <class... T> std::tuple<T...> get_tuple(Reader &r, std::type_identity<std::tuple<T...>>) {
    return std::tuple<T...>{get<T>(r)...};
}
template <class A, class B> std::pair<A, B> get_tuple(Reader &r, std::type_identity<std::pair<A, B>>) {
    A first = get<A>(r);
    return std::pair<A, B>(std::move(first), get<B>(r));
}

template <class T> T get(Reader &r) {
    if constexpr (std::is_same_v<T, bool>) {
        r.expect('u');
        char c = r.byte();
        if (c != 0 && c != 1) broken();
        return c == 1;
    } else if constexpr (is_integer<T>) {
        return get_integer<T>(r);
    } else if constexpr (std::is_enum_v<T>) {
        return static_cast<T>(get<std::underlying_type_t<T>>(r));
    } else if constexpr (std::is_same_v<T, long double>) {
        long double value = 0;
        r.expect('l');
        r.raw(&value, 10);
        return value;
    } else if constexpr (std::is_floating_point_v<T>) {
        double value;
        r.expect('d');
        r.raw(&value, 8);
        return static_cast<T>(value);
    } else if constexpr (std::is_same_v<T, const char *>) {
        if (r.at != r.end && *r.at == 'z') return ++r.at, nullptr;
        return (new std::string(r.text()))->c_str();
    } else if constexpr (std::is_same_v<T, std::string_view>) {
        return *new std::string(r.text());
    } else if constexpr (std::is_same_v<T, std::string>) {
        return r.text();
    } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
        r.expect('z');
        return nullptr;
    } else if constexpr (is_any<T>) {
#ifdef ASSAY_WITH_ANY
        r.expect('a');
        return Anything<T>::get(r);
#endif
    } else if constexpr (is_variant<T>) {
#ifdef ASSAY_WITH_VARIANT
        r.expect('v');
        return Chosen<T>::get(r);
#endif
    } else if constexpr (Maybe<T>) {
        r.expect('?');
        char c = r.byte();
        if (c != 0 && c != 1) broken();
        if (c) return T(get<typename T::value_type>(r));
        return T();
    } else if constexpr (Complex<T>) {
        typedef typename T::value_type Part;
        Part real = get<Part>(r);
        return T(real, get<Part>(r));
    } else if constexpr (Ranged<T>) {
        T value{};
        r.expect('(');
        get_items(r, value);
        return value;
    } else if constexpr (Sized<T>) {
        r.expect('(');
        if (r.number() != std::tuple_size<T>::value) broken();
        return get_tuple(r, std::type_identity<T>());
    } else if constexpr (std::is_class_v<T> && std::is_aggregate_v<T>) {
        T value{};
        auto all = tied(value);
        r.expect('(');
        if (r.number() != std::tuple_size<decltype(all)>::value) broken();
        std::apply([&r](auto &...x) { ((x = get<plain<decltype(x)>>(r)), ...); }, all);
        return value;
    } else {
        static_assert(is_never<T>, "assay: values of this type cannot cross between processes");
    }
}

inline void send(const std::string &bytes) {
    if (bytes.size() > most_bytes) broken();
    uint32_t size = uint32_t(bytes.size());
    std::string message(reinterpret_cast<const char *>(&size), 4);
    message += bytes;
    for (size_t done = 0; done < message.size();) {
        ssize_t n = assay_write(calls, message.data() + done, message.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) broken();
        done += size_t(n);
    }
}

inline bool receive_bytes(char *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = assay_read(calls, to + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += size_t(n);
    }
    return true;
}

// The next message; false where the other side has closed. Memory grows with what arrives, not with what is claimed.
inline bool receive(std::string &bytes) {
    uint32_t size;
    if (!receive_bytes(reinterpret_cast<char *>(&size), 4)) return false;
    if (size > most_bytes) broken();
    bytes.clear();
    while (bytes.size() < size) {
        size_t had = bytes.size(), step = size - had < (1u << 16) ? size - had : (1u << 16);
        bytes.resize(had + step);
        if (!receive_bytes(&bytes[had], step)) return false;
    }
    return true;
}

// How an exception crosses: by kind and message.
enum class Kind : char { other, exception, runtime_error, logic_error, invalid_argument, out_of_range, domain_error,
                         length_error, range_error, overflow_error, underflow_error, bad_alloc, number, c_text, text };

// Arguments that the declared type lets the solution change.
template <class P> constexpr bool is_changed = std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;

}  // namespace assay_wire

#pragma GCC pop_options
