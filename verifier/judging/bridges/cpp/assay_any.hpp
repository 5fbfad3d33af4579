// boost::any, as far as its documentation goes, on std::any: the images hold no Boost.
#pragma once
#include <any>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace boost {

typedef std::bad_any_cast bad_any_cast;

class any {
  public:
    any() = default;
    any(const any &) = default;
    any(any &&) = default;
    template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, any>>>
    any(T &&value) : assay_held(std::forward<T>(value)) {}
    any &operator=(const any &) = default;
    any &operator=(any &&) = default;
    template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, any>>> any &operator=(T &&value) {
        assay_held = std::forward<T>(value);
        return *this;
    }
    any &swap(any &other) {
        assay_held.swap(other.assay_held);
        return *this;
    }
    bool empty() const { return !assay_held.has_value(); }
    void clear() { assay_held.reset(); }
    const std::type_info &type() const { return assay_held.type(); }
    std::any assay_held;
};

inline void swap(any &a, any &b) { a.swap(b); }
template <class T> T any_cast(any &v) { return std::any_cast<T>(v.assay_held); }
template <class T> T any_cast(const any &v) { return std::any_cast<T>(v.assay_held); }
template <class T> T any_cast(any &&v) { return std::any_cast<T>(std::move(v.assay_held)); }
template <class T> T *any_cast(any *v) { return v ? std::any_cast<T>(&v->assay_held) : nullptr; }
template <class T> const T *any_cast(const any *v) { return v ? std::any_cast<T>(&v->assay_held) : nullptr; }

}  // namespace boost
