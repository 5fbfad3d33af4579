//! Plain tagged data between a tester and a solution, by the declared types of the entry point.
//!
//! A value is a tag and its content: u and n integers, d a float, c a character, s text, [ < { sequences, sets and
//! maps, ( a tuple, ? an option, e a result or an enumeration, a an any, z nothing. What to read is decided by the
//! declared type alone, so that nesting and the memory used are bounded by that type and by the bytes received.
//! No macro of the program is in use here, and no name of it.

use ::std::any::Any;
use ::std::borrow::Cow;
use ::std::boxed::Box;
use ::std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use ::std::fs::File;
use ::std::hash::{BuildHasher, Hash};
use ::std::io::{Read, Write};
use ::std::mem::ManuallyDrop;
use ::std::option::Option::{self, None, Some};
use ::std::os::unix::io::FromRawFd;
use ::std::rc::Rc;
use ::std::result::Result::{Err, Ok};
use ::std::string::String;
use ::std::sync::Arc;
use ::std::vec::Vec;

const CALLS: i32 = 3;
const MOST_BYTES: usize = 16 << 20;
const MOST_DEPTH: usize = 32;

/// The other side sent no message, or one that does not fit.
pub struct Broken;

pub type Result<T> = ::std::result::Result<T, Broken>;

impl Broken {
    pub fn found<T>() -> Result<T> {
        Err(Broken)
    }
}

pub struct Writer {
    pub bytes: Vec<u8>,
    /// An any held a type that is not in the table.
    pub is_uncrossable: bool,
}

impl Writer {
    pub fn new() -> Writer {
        Writer { bytes: Vec::new(), is_uncrossable: false }
    }
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }
    pub fn number(&mut self, mut number: u128) {
        while number >= 128 {
            self.byte(128 | (number & 127) as u8);
            number >>= 7;
        }
        self.byte(number as u8);
    }
    pub fn text(&mut self, text: &str) {
        self.byte(b's');
        self.number(text.len() as u128);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

pub struct Reader<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, depth: 0 }
    }
    pub fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(Broken)?;
        self.bytes = rest;
        Ok(*first)
    }
    pub fn expect(&mut self, tag: u8) -> Result<()> {
        if self.byte()? == tag { Ok(()) } else { Err(Broken) }
    }
    pub fn number(&mut self) -> Result<u128> {
        let mut number = 0u128;
        for place in 0..19 {
            let byte = self.byte()?;
            if place == 18 && byte > 3 {
                return Err(Broken);
            }
            number |= ((byte & 127) as u128) << (7 * place);
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(Broken)
    }
    /// How many items follow: each takes a byte at least, so no claim costs more memory than was sent.
    pub fn count(&mut self) -> Result<usize> {
        let number = self.number()?;
        if number > self.bytes.len() as u128 { Err(Broken) } else { Ok(number as usize) }
    }
    pub fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        if size > self.bytes.len() {
            return Err(Broken);
        }
        let (taken, rest) = self.bytes.split_at(size);
        self.bytes = rest;
        Ok(taken)
    }
    pub fn text(&mut self) -> Result<String> {
        self.expect(b's')?;
        let size = self.count()?;
        String::from_utf8(self.take(size)?.to_vec()).map_err(|_| Broken)
    }
    pub fn end(&self) -> Result<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Broken) }
    }
}

pub trait Put {
    fn put(&self, w: &mut Writer);
}

pub trait Get: Sized {
    fn get(r: &mut Reader) -> Result<Self>;
}

/// What a call may change behind a mutable reference.
pub trait Change {
    fn change(&mut self, r: &mut Reader) -> Result<()>;
}

impl<T: Get> Change for T {
    fn change(&mut self, r: &mut Reader) -> Result<()> {
        *self = T::get(r)?;
        Ok(())
    }
}

impl<T: Get> Change for [T] {
    fn change(&mut self, r: &mut Reader) -> Result<()> {
        let items = Vec::<T>::get(r)?;
        if items.len() != self.len() {
            return Err(Broken);
        }
        for (place, item) in self.iter_mut().zip(items) {
            *place = item;
        }
        Ok(())
    }
}

macro_rules! assay_integers {
    ($($kind:ty),*) => {$(
        impl Put for $kind {
            #[allow(unused_comparisons)]
            fn put(&self, w: &mut Writer) {
                if *self < 0 {
                    w.byte(b'n');
                    w.number(-((*self as i128) + 1) as u128);
                } else {
                    w.byte(b'u');
                    w.number(*self as u128);
                }
            }
        }
        impl Get for $kind {
            #[allow(unused_comparisons)]
            fn get(r: &mut Reader) -> Result<$kind> {
                let tag = r.byte()?;
                let number = r.number()?;
                if number > <$kind>::MAX as u128 {
                    return Err(Broken);
                }
                match tag {
                    b'u' => Ok(number as $kind),
                    b'n' if <$kind>::MIN < 0 => Ok((-(number as i128) - 1) as $kind),
                    _ => Err(Broken),
                }
            }
        }
    )*};
}
assay_integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! assay_floats {
    ($($kind:ty),*) => {$(
        impl Put for $kind {
            fn put(&self, w: &mut Writer) {
                w.byte(b'd');
                w.bytes.extend_from_slice(&(*self as f64).to_bits().to_le_bytes());
            }
        }
        impl Get for $kind {
            fn get(r: &mut Reader) -> Result<$kind> {
                r.expect(b'd')?;
                let mut bits = [0u8; 8];
                bits.copy_from_slice(r.take(8)?);
                Ok(f64::from_bits(u64::from_le_bytes(bits)) as $kind)
            }
        }
    )*};
}
assay_floats!(f32, f64);

impl Put for bool {
    fn put(&self, w: &mut Writer) {
        w.byte(b'b');
        w.byte(*self as u8);
    }
}
impl Get for bool {
    fn get(r: &mut Reader) -> Result<bool> {
        r.expect(b'b')?;
        flag(r)
    }
}

fn flag(r: &mut Reader) -> Result<bool> {
    match r.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Broken),
    }
}

impl Put for char {
    fn put(&self, w: &mut Writer) {
        w.byte(b'c');
        w.number(*self as u128);
    }
}
impl Get for char {
    fn get(r: &mut Reader) -> Result<char> {
        r.expect(b'c')?;
        let number = r.number()?;
        if number > 0x10ffff {
            return Err(Broken);
        }
        ::std::char::from_u32(number as u32).ok_or(Broken)
    }
}

impl Put for () {
    fn put(&self, w: &mut Writer) {
        w.byte(b'z');
    }
}
impl Get for () {
    fn get(r: &mut Reader) -> Result<()> {
        r.expect(b'z')
    }
}

impl Put for str {
    fn put(&self, w: &mut Writer) {
        w.text(self);
    }
}
impl Put for String {
    fn put(&self, w: &mut Writer) {
        w.text(self);
    }
}
impl Get for String {
    fn get(r: &mut Reader) -> Result<String> {
        r.text()
    }
}

// What is borrowed is never given back: the process is short.
impl<T: Put + ?Sized> Put for &T {
    fn put(&self, w: &mut Writer) {
        (**self).put(w);
    }
}
impl<T: Put + ?Sized> Put for &mut T {
    fn put(&self, w: &mut Writer) {
        (**self).put(w);
    }
}
impl<'a, T: Get + 'a> Get for &'a T {
    fn get(r: &mut Reader) -> Result<&'a T> {
        Ok(Box::leak(Box::new(T::get(r)?)))
    }
}
impl<'a, T: Get + 'a> Get for &'a mut T {
    fn get(r: &mut Reader) -> Result<&'a mut T> {
        Ok(Box::leak(Box::new(T::get(r)?)))
    }
}
impl<'a> Get for &'a str {
    fn get(r: &mut Reader) -> Result<&'a str> {
        Ok(Box::leak(r.text()?.into_boxed_str()))
    }
}
impl<'a, T: Get + 'a> Get for &'a [T] {
    fn get(r: &mut Reader) -> Result<&'a [T]> {
        Ok(Box::leak(Vec::<T>::get(r)?.into_boxed_slice()))
    }
}
impl<'a, T: Get + 'a> Get for &'a mut [T] {
    fn get(r: &mut Reader) -> Result<&'a mut [T]> {
        Ok(Box::leak(Vec::<T>::get(r)?.into_boxed_slice()))
    }
}

macro_rules! assay_boxes {
    ($($kind:ident),*) => {$(
        impl<T: Put + ?Sized> Put for $kind<T> {
            fn put(&self, w: &mut Writer) {
                (**self).put(w);
            }
        }
        impl<T: Get> Get for $kind<T> {
            fn get(r: &mut Reader) -> Result<$kind<T>> {
                Ok($kind::new(T::get(r)?))
            }
        }
    )*};
}
assay_boxes!(Box, Rc, Arc);

impl<T: Get> Get for Box<[T]> {
    fn get(r: &mut Reader) -> Result<Box<[T]>> {
        Ok(Vec::<T>::get(r)?.into_boxed_slice())
    }
}
impl Get for Box<str> {
    fn get(r: &mut Reader) -> Result<Box<str>> {
        Ok(r.text()?.into_boxed_str())
    }
}
impl<'a> Put for Cow<'a, str> {
    fn put(&self, w: &mut Writer) {
        w.text(self);
    }
}
impl<'a> Get for Cow<'a, str> {
    fn get(r: &mut Reader) -> Result<Cow<'a, str>> {
        Ok(Cow::Owned(r.text()?))
    }
}

impl<T: Put> Put for Option<T> {
    fn put(&self, w: &mut Writer) {
        w.byte(b'?');
        w.byte(self.is_some() as u8);
        if let Some(value) = self {
            value.put(w);
        }
    }
}
impl<T: Get> Get for Option<T> {
    fn get(r: &mut Reader) -> Result<Option<T>> {
        r.expect(b'?')?;
        Ok(if flag(r)? { Some(T::get(r)?) } else { None })
    }
}

impl<T: Put, E: Put> Put for ::std::result::Result<T, E> {
    fn put(&self, w: &mut Writer) {
        w.byte(b'e');
        w.byte(self.is_err() as u8);
        match self {
            Ok(value) => value.put(w),
            Err(error) => error.put(w),
        }
    }
}
impl<T: Get, E: Get> Get for ::std::result::Result<T, E> {
    fn get(r: &mut Reader) -> Result<::std::result::Result<T, E>> {
        r.expect(b'e')?;
        Ok(if flag(r)? { Err(E::get(r)?) } else { Ok(T::get(r)?) })
    }
}

fn put_items<'a, T: Put + 'a>(w: &mut Writer, tag: u8, size: usize, items: impl Iterator<Item = &'a T>) {
    w.byte(tag);
    w.number(size as u128);
    for item in items {
        item.put(w);
    }
}

fn get_items<T: Get>(r: &mut Reader, tag: u8) -> Result<Vec<T>> {
    r.expect(tag)?;
    let mut items = Vec::new();
    for _ in 0..r.count()? {
        items.push(T::get(r)?);
    }
    Ok(items)
}

impl<T: Put> Put for [T] {
    fn put(&self, w: &mut Writer) {
        put_items(w, b'[', self.len(), self.iter());
    }
}
impl<T: Put, const N: usize> Put for [T; N] {
    fn put(&self, w: &mut Writer) {
        put_items(w, b'[', N, self.iter());
    }
}
impl<T: Get, const N: usize> Get for [T; N] {
    fn get(r: &mut Reader) -> Result<[T; N]> {
        <[T; N]>::try_from(get_items::<T>(r, b'[')?).map_err(|_| Broken)
    }
}

macro_rules! assay_items {
    ($($kind:ident $tag:literal ($($bound:tt)*)),*) => {$(
        impl<T: Put> Put for $kind<T> {
            fn put(&self, w: &mut Writer) {
                put_items(w, $tag, self.len(), self.iter());
            }
        }
        impl<T: Get $($bound)*> Get for $kind<T> {
            fn get(r: &mut Reader) -> Result<$kind<T>> {
                Ok(get_items::<T>(r, $tag)?.into_iter().collect())
            }
        }
    )*};
}
assay_items!(Vec b'[' (), VecDeque b'[' (), LinkedList b'[' (), BTreeSet b'<' (+ Ord), BinaryHeap b'<' (+ Ord));

impl<T: Put, S> Put for HashSet<T, S> {
    fn put(&self, w: &mut Writer) {
        put_items(w, b'<', self.len(), self.iter());
    }
}
impl<T: Get + Eq + Hash, S: BuildHasher + Default> Get for HashSet<T, S> {
    fn get(r: &mut Reader) -> Result<HashSet<T, S>> {
        Ok(get_items::<T>(r, b'<')?.into_iter().collect())
    }
}

macro_rules! assay_maps {
    ($($kind:ident ($($hasher:ident)?) ($($key:tt)*)),*) => {$(
        impl<K: Put, V: Put $(, $hasher)?> Put for $kind<K, V $(, $hasher)?> {
            fn put(&self, w: &mut Writer) {
                w.byte(b'{');
                w.number(self.len() as u128);
                for (key, value) in self {
                    key.put(w);
                    value.put(w);
                }
            }
        }
        impl<K: Get $($key)*, V: Get $(, $hasher: BuildHasher + Default)?> Get for $kind<K, V $(, $hasher)?> {
            fn get(r: &mut Reader) -> Result<Self> {
                r.expect(b'{')?;
                let mut map = Self::default();
                for _ in 0..r.count()? {
                    let key = K::get(r)?;
                    map.insert(key, V::get(r)?);
                }
                Ok(map)
            }
        }
    )*};
}
assay_maps!(HashMap (S) (+ Eq + Hash), BTreeMap () (+ Ord));

macro_rules! assay_tuples {
    ($($size:literal ($($kind:ident $at:tt),*)),*) => {$(
        impl<$($kind: Put),*> Put for ($($kind,)*) {
            fn put(&self, w: &mut Writer) {
                w.byte(b'(');
                w.number($size);
                $(self.$at.put(w);)*
            }
        }
        impl<$($kind: Get),*> Get for ($($kind,)*) {
            fn get(r: &mut Reader) -> Result<Self> {
                r.expect(b'(')?;
                if r.number()? != $size {
                    return Err(Broken);
                }
                Ok(($($kind::get(r)?,)*))
            }
        }
    )*};
}
assay_tuples!(
    1 (A 0), 2 (A 0, B 1), 3 (A 0, B 1, C 2), 4 (A 0, B 1, C 2, D 3), 5 (A 0, B 1, C 2, D 3, E 4),
    6 (A 0, B 1, C 2, D 3, E 4, F 5), 7 (A 0, B 1, C 2, D 3, E 4, F 5, G 6), 8 (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
);

macro_rules! assay_any {
    ($($at:literal $kind:ty),*) => {
        impl Put for dyn Any {
            fn put(&self, w: &mut Writer) {
                w.byte(b'a');
                $(if let Some(value) = self.downcast_ref::<$kind>() {
                    w.byte($at);
                    return value.put(w);
                })*
                w.is_uncrossable = true;
            }
        }
        impl Get for Box<dyn Any> {
            fn get(r: &mut Reader) -> Result<Box<dyn Any>> {
                r.expect(b'a')?;
                r.depth += 1;
                if r.depth > MOST_DEPTH {
                    return Err(Broken);
                }
                let value: Box<dyn Any> = match r.byte()? {
                    $($at => Box::new(<$kind as Get>::get(r)?),)*
                    _ => return Err(Broken),
                };
                r.depth -= 1;
                Ok(value)
            }
        }
    };
}
assay_any!(
    0 (), 1 bool, 2 char, 3 i8, 4 i16, 5 i32, 6 i64, 7 i128, 8 isize, 9 u8, 10 u16, 11 u32, 12 u64, 13 u128, 14 usize,
    15 f32, 16 f64, 17 String, 18 &'static str, 19 Vec<i32>, 20 Vec<i64>, 21 Vec<f64>, 22 Vec<String>,
    23 Vec<&'static str>, 24 Vec<Box<dyn Any>>, 25 Option<i32>, 26 Option<String>, 27 HashMap<String, Box<dyn Any>>
);
impl<'a> Get for &'a dyn Any {
    fn get(r: &mut Reader) -> Result<&'a dyn Any> {
        Ok(Box::leak(Box::<dyn Any>::get(r)?))
    }
}

fn channel() -> ManuallyDrop<File> {
    ManuallyDrop::new(unsafe { File::from_raw_fd(CALLS) })
}

pub fn send(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MOST_BYTES {
        return Err(Broken);
    }
    let mut message = (bytes.len() as u32).to_le_bytes().to_vec();
    message.extend_from_slice(bytes);
    channel().write_all(&message).map_err(|_| Broken)
}

/// The next message. Memory grows with what arrives, not with what is claimed.
pub fn receive() -> Result<Vec<u8>> {
    let mut size = [0u8; 4];
    channel().read_exact(&mut size).map_err(|_| Broken)?;
    let size = u32::from_le_bytes(size) as usize;
    if size > MOST_BYTES {
        return Err(Broken);
    }
    let mut bytes = Vec::new();
    (&*channel()).take(size as u64).read_to_end(&mut bytes).map_err(|_| Broken)?;
    if bytes.len() == size { Ok(bytes) } else { Err(Broken) }
}
