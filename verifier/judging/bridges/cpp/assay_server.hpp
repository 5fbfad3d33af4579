// The solution's side: reads a call, makes it, sends back what it returned. Nothing here is trusted by the tester.
#pragma once
#include "assay_wire.hpp"
#include <exception>
#include <new>
#include <stdexcept>
#include <stdlib.h>

#pragma GCC push_options
#pragma GCC optimize("O0")
namespace assay_server {
void serve();
}
int main() { assay_server::serve(); }

namespace assay_wire {
[[noreturn]] inline void broken() { assay_exit(70); }
[[noreturn]] inline void uncrossable() { throw std::runtime_error("returned an any of a type that cannot cross"); }
}  // namespace assay_wire

namespace assay_server {

inline void tell(assay_wire::Writer &w, assay_wire::Kind kind, const char *what) {
    w.bytes = "x";
    w.byte(char(kind));
    size_t size = __builtin_strlen(what);
    w.text(what, size < 65536 ? size : 65536);
}

// Of the exception being handled; the most derived first.
inline void tell_exception(assay_wire::Writer &w) {
    using namespace assay_wire;
    try {
        throw;
    } catch (const std::bad_alloc &e) { tell(w, Kind::bad_alloc, e.what());
    } catch (const std::invalid_argument &e) { tell(w, Kind::invalid_argument, e.what());
    } catch (const std::out_of_range &e) { tell(w, Kind::out_of_range, e.what());
    } catch (const std::domain_error &e) { tell(w, Kind::domain_error, e.what());
    } catch (const std::length_error &e) { tell(w, Kind::length_error, e.what());
    } catch (const std::logic_error &e) { tell(w, Kind::logic_error, e.what());
    } catch (const std::range_error &e) { tell(w, Kind::range_error, e.what());
    } catch (const std::overflow_error &e) { tell(w, Kind::overflow_error, e.what());
    } catch (const std::underflow_error &e) { tell(w, Kind::underflow_error, e.what());
    } catch (const std::runtime_error &e) { tell(w, Kind::runtime_error, e.what());
    } catch (const std::exception &e) { tell(w, Kind::exception, e.what());
    } catch (const char *e) { tell(w, Kind::c_text, e);
    } catch (const std::string &e) { tell(w, Kind::text, e.c_str());
    } catch (int e) {
        w.bytes = "x";
        w.byte(char(Kind::number));
        put(w, e);
    } catch (...) { tell(w, Kind::other, "");
    }
}

template <class P> void put_change(assay_wire::Writer &w, const assay_wire::plain<P> &value) {
    if constexpr (assay_wire::is_changed<P>) assay_wire::put(w, value);
}

template <class F> struct Server;
template <class R, class... P> struct Server<R(P...)> {
    template <class Adapter> static void answer(assay_wire::Reader &r, assay_wire::Writer &w) {
        using namespace assay_wire;
        std::tuple<plain<P>...> values{get<plain<P>>(r)...};
        std::apply(
            [&w](plain<P> &...value) {
                w.byte('r');
                if constexpr (std::is_void_v<R>) {
                    Adapter::call(value...);
                } else {
                    // As the declared type, by the conversions that an assignment would make.
                    const plain<R> &result = Adapter::call(value...);
                    put<plain<R>>(w, result);
                }
                (put_change<P>(w, value), ...);
            },
            values);
    }
    template <class Adapter> static void serve() {
        using namespace assay_wire;
        std::string request;
        while (receive(request)) {
            Reader r{request.data(), request.data() + request.size()};
            Writer w;
            try {
                answer<Adapter>(r, w);
            } catch (...) {
                tell_exception(w);
            }
            send(w.bytes);
        }
        assay_exit(0);
    }
};
template <class R, class... P> struct Server<R(P...) noexcept> : Server<R(P...)> {};

}  // namespace assay_server
#pragma GCC pop_options
#define main assay_main_of_the_program
