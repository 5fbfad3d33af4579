//! The tester's side: a call goes out, plain data comes back, and the exit code tells what was found.

use ::std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use ::std::sync::Mutex;
use crate::assay_wire::{receive, send, Broken, Change, Get, Reader, Result, Writer};

const PASSED: i32 = 0;
const FAILED: i32 = 1;
const RAISED: i32 = 2;
const GONE: i32 = 3;
const VACUOUS: i32 = 4;
const UNSENDABLE: i32 = 5;

static MADE: AtomicUsize = AtomicUsize::new(0);
static HAS_RAISED: AtomicBool = AtomicBool::new(false);
static TURN: Mutex<()> = Mutex::new(());

#[allow(non_camel_case_types)]
type c_int = i32;

extern "C" {
    fn on_exit(then: extern "C" fn(c_int, *mut u8), argument: *mut u8) -> c_int;
    fn _exit(code: c_int) -> !;
    fn signal(number: c_int, then: extern "C" fn(c_int)) -> usize;
}

// Runs before the main function, so that it has the last word after it.
#[used]
#[link_section = ".init_array"]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    unsafe {
        on_exit(ended, ::std::ptr::null_mut());
        for number in [4, 6, 8] {
            signal(number, crashed);
        }
    }
}

extern "C" fn ended(status: c_int, _: *mut u8) {
    let code = match (status, MADE.load(Ordering::SeqCst)) {
        (0, 0) => VACUOUS,
        (0, _) => PASSED,
        _ => failure(),
    };
    leave(code)
}

extern "C" fn crashed(_: c_int) {
    leave(failure())
}

fn failure() -> c_int {
    if HAS_RAISED.load(Ordering::SeqCst) { RAISED } else { FAILED }
}

fn leave(code: c_int) -> ! {
    unsafe { _exit(code) }
}

/// Makes a call; where the solution panicked in it, panics with its message.
pub fn ask(request: &Writer) -> Vec<u8> {
    if request.is_uncrossable {
        eprintln!("assay: the script passes an any of a type that cannot cross");
        leave(UNSENDABLE);
    }
    let reply = {
        let _turn = TURN.lock();
        sure(send(&request.bytes));
        sure(receive())
    };
    MADE.fetch_add(1, Ordering::SeqCst);
    let mut r = Reader::new(&reply);
    if sure(r.byte()) != b'r' {
        let mut r = Reader::new(&reply);
        sure(r.expect(b'x'));
        let message = sure(r.text());
        HAS_RAISED.store(true, Ordering::SeqCst);
        ::std::panic::panic_any(message);
    }
    reply
}

pub fn sure<T>(read: Result<T>) -> T {
    match read {
        Ok(value) => value,
        Err(Broken) => leave(GONE),
    }
}

pub fn result<T: Get>(r: &mut Reader) -> T {
    sure(r.expect(b'r'));
    sure(T::get(r))
}

pub fn change<T: Change + ?Sized>(target: &mut T, r: &mut Reader) {
    sure(target.change(r));
}

pub fn end(r: &Reader) {
    sure(r.end());
}
