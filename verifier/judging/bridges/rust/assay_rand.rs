//! What tests use of the crate rand, in its old and its new form, with a fixed seed: a verdict must not depend on luck.

use ::std::cell::Cell;
use ::std::ops::{Range, RangeInclusive};

thread_local!(static STATE: Cell<u64> = Cell::new(0x2545_f491_4f6c_dd1d));

fn next(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, bits ^ (bits >> 31))
}

pub trait RngCore {
    fn next_u64(&mut self) -> u64;
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
}

#[derive(Clone, Debug)]
pub struct ThreadRng;

impl RngCore for ThreadRng {
    fn next_u64(&mut self) -> u64 {
        STATE.with(|cell| {
            let (state, bits) = next(cell.get());
            cell.set(state);
            bits
        })
    }
}

pub fn thread_rng() -> ThreadRng {
    ThreadRng
}

pub fn random<T: Drawn>() -> T {
    T::draw(&mut ThreadRng)
}

pub trait SeedableRng: Sized {
    fn seed_from_u64(seed: u64) -> Self;
}

pub trait Drawn {
    fn draw<R: RngCore + ?Sized>(rng: &mut R) -> Self;
}

pub trait Uniform: PartialOrd + Copy {
    /// Between two bounds, the upper one included or not.
    fn between<R: RngCore + ?Sized>(rng: &mut R, low: Self, high: Self, is_closed: bool) -> Self;
}

macro_rules! assay_drawn {
    ($($kind:ty),*) => {$(
        impl Drawn for $kind {
            fn draw<R: RngCore + ?Sized>(rng: &mut R) -> $kind {
                (((rng.next_u64() as u128) << 64) | rng.next_u64() as u128) as $kind
            }
        }
        impl Uniform for $kind {
            fn between<R: RngCore + ?Sized>(rng: &mut R, low: $kind, high: $kind, is_closed: bool) -> $kind {
                assert!(low < high || (is_closed && low == high), "cannot sample empty range");
                let span = (high as i128).wrapping_sub(low as i128).wrapping_add(is_closed as i128) as u128;
                (low as i128).wrapping_add((rng.next_u64() as u128 % span) as i128) as $kind
            }
        }
    )*};
}
assay_drawn!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! assay_drawn_floats {
    ($($kind:ty),*) => {$(
        impl Drawn for $kind {
            fn draw<R: RngCore + ?Sized>(rng: &mut R) -> $kind {
                (rng.next_u64() >> 40) as $kind / (1u64 << 24) as $kind
            }
        }
        impl Uniform for $kind {
            fn between<R: RngCore + ?Sized>(rng: &mut R, low: $kind, high: $kind, _: bool) -> $kind {
                low + (high - low) * <$kind>::draw(rng)
            }
        }
    )*};
}
assay_drawn_floats!(f32, f64);

impl Uniform for char {
    fn between<R: RngCore + ?Sized>(rng: &mut R, low: char, high: char, is_closed: bool) -> char {
        ::std::char::from_u32(u32::between(rng, low as u32, high as u32, is_closed)).unwrap_or(low)
    }
}

impl Drawn for bool {
    fn draw<R: RngCore + ?Sized>(rng: &mut R) -> bool {
        rng.next_u64() >> 63 == 1
    }
}

pub trait Bounds<T> {
    fn draw<R: RngCore + ?Sized>(self, rng: &mut R) -> T;
}

impl<T: Uniform> Bounds<T> for Range<T> {
    fn draw<R: RngCore + ?Sized>(self, rng: &mut R) -> T {
        T::between(rng, self.start, self.end, false)
    }
}

impl<T: Uniform> Bounds<T> for RangeInclusive<T> {
    fn draw<R: RngCore + ?Sized>(self, rng: &mut R) -> T {
        T::between(rng, *self.start(), *self.end(), true)
    }
}

pub trait Rng: RngCore {
    fn gen<T: Drawn>(&mut self) -> T {
        T::draw(self)
    }
    fn gen_bool(&mut self, probability: f64) -> bool {
        f64::draw(self) < probability
    }
    #[cfg(not(assay_two_bounds))]
    fn gen_range<T, B: Bounds<T>>(&mut self, bounds: B) -> T {
        bounds.draw(self)
    }
    #[cfg(assay_two_bounds)]
    fn gen_range<T: Uniform>(&mut self, low: T, high: T) -> T {
        T::between(self, low, high, false)
    }
}
impl<R: RngCore + ?Sized> Rng for R {}

pub mod rngs {
    pub use super::ThreadRng;

    #[derive(Clone, Debug)]
    pub struct StdRng(u64);

    impl super::RngCore for StdRng {
        fn next_u64(&mut self) -> u64 {
            let (state, bits) = super::next(self.0);
            self.0 = state;
            bits
        }
    }

    impl super::SeedableRng for StdRng {
        fn seed_from_u64(seed: u64) -> StdRng {
            StdRng(seed)
        }
    }
}

pub mod seq {
    use super::{Rng, Uniform};

    pub trait SliceRandom {
        type Item;
        fn choose<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<&Self::Item>;
        fn shuffle<R: Rng + ?Sized>(&mut self, rng: &mut R);
    }

    impl<T> SliceRandom for [T] {
        type Item = T;
        fn choose<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<&T> {
            if self.is_empty() { None } else { self.get(usize::between(rng, 0, self.len(), false)) }
        }
        fn shuffle<R: Rng + ?Sized>(&mut self, rng: &mut R) {
            for at in (1..self.len()).rev() {
                self.swap(at, usize::between(rng, 0, at, true));
            }
        }
    }
}

pub mod prelude {
    pub use super::rngs::StdRng;
    pub use super::seq::SliceRandom;
    pub use super::{random, thread_rng, Rng, RngCore, SeedableRng, ThreadRng};
}
