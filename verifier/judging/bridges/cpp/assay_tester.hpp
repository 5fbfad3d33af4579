// The tester's side: a call goes out, plain data comes back, and the exit code tells what was found.
#pragma once
#include "assay_wire.hpp"
#include <exception>
#include <new>
#include <signal.h>
#include <stdexcept>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

extern "C" long assay_system_call(long, ...) __asm__("syscall");

namespace assay_tester {

enum Exit { passed, failed, raised, gone, vacuous, unsendable };

inline long made = 0;               // calls that were answered
inline bool has_raised = false;     // the last call ended in an exception
inline bool is_busy = false;         // one thread asks at a time

[[noreturn]] inline void leave(int code) {
    for (;;) assay_system_call(SYS_exit_group, code);
}

inline int verdict(int status) { return status != 0 ? failed : made ? passed : vacuous; }

inline void ended(int status, void *) { leave(verdict(status)); }
inline void ended_quickly() { leave(made ? passed : vacuous); }
inline void crashed(int) { leave(has_raised ? raised : failed); }
[[noreturn]] inline void terminated() { leave(has_raised ? raised : failed); }

// Registered before anything of the script runs, so that it has the last word.
__attribute__((constructor(101))) static void begin() {
    on_exit(ended, nullptr);
    at_quick_exit(ended_quickly);
    std::set_terminate(terminated);
    static char stack[1 << 16];
    stack_t other = {};
    other.ss_sp = stack;
    other.ss_size = sizeof stack;
    sigaltstack(&other, nullptr);
    struct sigaction action = {};
    action.sa_handler = crashed;
    action.sa_flags = SA_ONSTACK;
    for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS}) sigaction(number, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
}

struct Turn {
    Turn() {
        while (__atomic_test_and_set(&is_busy, __ATOMIC_ACQUIRE)) assay_system_call(SYS_sched_yield);
    }
    ~Turn() { __atomic_clear(&is_busy, __ATOMIC_RELEASE); }
};

[[noreturn]] inline void rethrow(assay_wire::Reader &r) {
    using namespace assay_wire;
    Kind kind = Kind(r.byte());
    if (kind == Kind::number) {
        int value = get<int>(r);
        has_raised = true;
        throw value;
    }
    std::string what = r.text();
    has_raised = true;
    switch (kind) {
    case Kind::other:
    case Kind::exception: throw std::runtime_error(what);
    case Kind::runtime_error: throw std::runtime_error(what);
    case Kind::logic_error: throw std::logic_error(what);
    case Kind::invalid_argument: throw std::invalid_argument(what);
    case Kind::out_of_range: throw std::out_of_range(what);
    case Kind::domain_error: throw std::domain_error(what);
    case Kind::length_error: throw std::length_error(what);
    case Kind::range_error: throw std::range_error(what);
    case Kind::overflow_error: throw std::overflow_error(what);
    case Kind::underflow_error: throw std::underflow_error(what);
    case Kind::bad_alloc: throw std::bad_alloc();
    case Kind::c_text: throw static_cast<const char *>((new std::string(what))->c_str());
    case Kind::text: throw what;
    }
    broken();
}

template <class F> struct Stub;
template <class R, class... P> struct Stub<R(P...)> {
    static R call(std::remove_reference_t<P> &...args) {
        using namespace assay_wire;
        Turn mine;
        Writer w;
        (put<plain<P>>(w, args), ...);
        has_raised = false;
        send(w.bytes);
        std::string reply;
        if (!receive(reply)) broken();
        Reader r{reply.data(), reply.data() + reply.size()};
        ++made;
        char status = r.byte();
        if (status == 'x') rethrow(r);
        if (status != 'r') broken();
        if constexpr (std::is_void_v<R>) {
            finish(r, args...);
        } else {
            plain<R> value = get<plain<R>>(r);
            finish(r, args...);
            if constexpr (std::is_reference_v<R>) return static_cast<R>(*new plain<R>(std::move(value)));
            else return value;
        }
    }
    static void finish(assay_wire::Reader &r, std::remove_reference_t<P> &...args) {
        (change<P>(r, args), ...);
        if (r.at != r.end) assay_wire::broken();
    }
    template <class Q> static void change(assay_wire::Reader &r, std::remove_reference_t<Q> &arg) {
        if constexpr (assay_wire::is_changed<Q>) arg = assay_wire::get<assay_wire::plain<Q>>(r);
    }
};
template <class R, class... P> struct Stub<R(P...) noexcept> : Stub<R(P...)> {};

}  // namespace assay_tester

namespace assay_wire {
[[noreturn]] inline void broken() { assay_tester::leave(assay_tester::gone); }
[[noreturn]] inline void uncrossable() {
    fputs("assay: the script passes an any of a type that cannot cross\n", stderr);
    assay_tester::leave(assay_tester::unsendable);
}
}  // namespace assay_wire

extern "C" {
[[noreturn]] void __assert_fail(const char *what, const char *, unsigned line, const char *) noexcept {
    fprintf(stderr, "line %u: assertion failed: %s\n", line, what);
    assay_tester::leave(assay_tester::failed);
}
[[noreturn]] void _exit(int status) { assay_tester::leave(assay_tester::verdict(status)); }
[[noreturn]] void _Exit(int status) noexcept { assay_tester::leave(assay_tester::verdict(status)); }
}
