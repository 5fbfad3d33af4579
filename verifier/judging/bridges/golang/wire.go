// Package wire holds messages of plain tagged data, length first.
//
// Whatever comes in is hostile: counts are held against the bytes that are there, and sizes against a budget, before
// anything is allocated; nesting is bounded; and only plain types and the types of the declaration are ever made.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"unsafe"
)

const (
	maxMessage  = 16 << 20
	maxMemory   = 256 << 20
	maxDepth    = 20000
	maxTypeDeep = 12
	channel     = 3
)

// Broken is what is panicked with inside this package: a value that is no plain data, or bytes that are no message.
type Broken struct{ Why string }

func (b Broken) Error() string { return b.Why }

func broken(why string) { panic(Broken{why}) }

// Wire is one end of the channel.
type Wire struct {
	file  *os.File
	types map[string]reflect.Type
	names map[reflect.Type]string
}

// Open opens the channel; types are the named types of the declaration, by their names.
func Open(types map[string]reflect.Type) *Wire {
	w := &Wire{file: os.NewFile(channel, "channel"), types: types, names: map[reflect.Type]string{}}
	for name, t := range types {
		w.names[t] = name
	}
	return w
}

// Send sends a message.
func (w *Wire) Send(out *Writer) error {
	size := out.buffer.Len()
	if size > maxMessage {
		return Broken{"a value too large"}
	}
	whole := make([]byte, 4, 4+size)
	binary.BigEndian.PutUint32(whole, uint32(size))
	_, err := w.file.Write(append(whole, out.buffer.Bytes()...))
	return err
}

// Receive gives the next message.
func (w *Wire) Receive() (*Reader, error) {
	var head [4]byte
	if _, err := io.ReadFull(w.file, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[:]))
	if size > maxMessage {
		return nil, Broken{"a message too large"}
	}
	var body bytes.Buffer
	// As it comes, not at once: a length costs its sender nothing.
	if _, err := io.CopyN(&body, w.file, size); err != nil {
		return nil, err
	}
	return &Reader{wire: w, left: body.Bytes(), budget: maxMemory}, nil
}

// Guard calls a function and gives what it broke on.
func Guard(call func()) (err error) {
	defer func() {
		if found := recover(); found != nil {
			err = Broken{fmt.Sprint(found)}
		}
	}()
	call()
	return nil
}

// Types of the wire. Those below codeSlice are kinds of reflect.
const (
	codeNil = iota + 64
	codeSlice
	codeArray
	codeMap
	codePointer
	codeAny
	codeError
	codeNamed
)

var (
	anyType   = reflect.TypeOf((*interface{})(nil)).Elem()
	errorType = reflect.TypeOf((*error)(nil)).Elem()
	basics    = map[reflect.Kind]reflect.Type{
		reflect.Bool: reflect.TypeOf(false), reflect.String: reflect.TypeOf(""),
		reflect.Int: reflect.TypeOf(int(0)), reflect.Int8: reflect.TypeOf(int8(0)),
		reflect.Int16: reflect.TypeOf(int16(0)), reflect.Int32: reflect.TypeOf(int32(0)),
		reflect.Int64: reflect.TypeOf(int64(0)), reflect.Uint: reflect.TypeOf(uint(0)),
		reflect.Uint8: reflect.TypeOf(uint8(0)), reflect.Uint16: reflect.TypeOf(uint16(0)),
		reflect.Uint32: reflect.TypeOf(uint32(0)), reflect.Uint64: reflect.TypeOf(uint64(0)),
		reflect.Uintptr: reflect.TypeOf(uintptr(0)),
		reflect.Float32: reflect.TypeOf(float32(0)), reflect.Float64: reflect.TypeOf(float64(0)),
		reflect.Complex64: reflect.TypeOf(complex64(0)), reflect.Complex128: reflect.TypeOf(complex128(0)),
	}
)

// Writer is a message on its way out.
type Writer struct {
	wire   *Wire
	buffer bytes.Buffer
	seen   map[unsafe.Pointer]map[reflect.Type]uint32
	count  uint32
}

// Message begins a message.
func (w *Wire) Message() *Writer {
	return &Writer{wire: w, seen: map[unsafe.Pointer]map[reflect.Type]uint32{}}
}

// Byte writes a byte.
func (out *Writer) Byte(b byte) { out.buffer.WriteByte(b) }

// Number writes a number of four bytes.
func (out *Writer) Number(n int) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	out.buffer.Write(b[:])
}

func (out *Writer) long(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	out.buffer.Write(b[:])
}

// Text writes a string.
func (out *Writer) Text(s string) {
	if len(s) > maxMessage {
		broken("a string too long")
	}
	out.Number(len(s))
	out.buffer.WriteString(s)
}

// Value writes a value with its type.
func (out *Writer) Value(v reflect.Value) { out.any(v, 0) }

func (out *Writer) any(v reflect.Value, depth int) {
	for v.IsValid() && v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		out.Byte(codeNil)
		return
	}
	t := v.Type()
	if out.wire.names[t] == "" && t.Implements(errorType) && v.CanInterface() {
		out.Byte(codeError)
		out.Text(v.Interface().(error).Error())
		return
	}
	out.typ(t, 0)
	out.value(v, depth)
}

func (out *Writer) typ(t reflect.Type, depth int) {
	if depth > maxTypeDeep {
		broken("a type nested too deeply")
	}
	if name := out.wire.names[t]; name != "" {
		out.Byte(codeNamed)
		out.Text(name)
		return
	}
	if t == errorType {
		out.Byte(codeError)
		return
	}
	if t == anyType {
		out.Byte(codeAny)
		return
	}
	if t.Name() != "" {
		if basics[t.Kind()] != t {
			broken("a value of the type " + t.String())
		}
		out.Byte(byte(t.Kind()))
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		out.Byte(codeSlice)
	case reflect.Array:
		out.Byte(codeArray)
		out.Number(t.Len())
	case reflect.Map:
		out.Byte(codeMap)
		out.typ(t.Key(), depth+1)
	case reflect.Ptr:
		out.Byte(codePointer)
	default:
		broken("a value of the type " + t.String())
	}
	out.typ(t.Elem(), depth+1)
}

func (out *Writer) value(v reflect.Value, depth int) {
	if depth > maxDepth {
		broken("a value nested too deeply")
	}
	if out.buffer.Len() > maxMessage {
		broken("a value too large")
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			out.Byte(1)
		} else {
			out.Byte(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		out.long(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		out.long(v.Uint())
	case reflect.Float32, reflect.Float64:
		out.long(math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		out.long(math.Float64bits(real(v.Complex())))
		out.long(math.Float64bits(imag(v.Complex())))
	case reflect.String:
		out.Text(v.String())
	case reflect.Slice, reflect.Map:
		if v.IsNil() {
			out.Byte(0)
			return
		}
		out.Byte(1)
		out.items(v, depth)
	case reflect.Array:
		out.items(v, depth)
	case reflect.Ptr:
		out.pointer(v, depth)
	case reflect.Interface:
		out.any(v, depth+1)
	case reflect.Struct:
		out.Number(v.NumField())
		for at := 0; at < v.NumField(); at++ {
			out.Text(v.Type().Field(at).Name)
			out.field(v.Field(at), depth)
		}
	default:
		broken("a value of the type " + v.Type().String())
	}
}

// field writes a field with its type, also where it is a nil pointer.
func (out *Writer) field(v reflect.Value, depth int) {
	if v.Kind() == reflect.Interface {
		out.any(v, depth+1)
		return
	}
	out.typ(v.Type(), 0)
	out.value(v, depth+1)
}

func (out *Writer) items(v reflect.Value, depth int) {
	out.Number(v.Len())
	if v.Kind() == reflect.Map {
		for at := v.MapRange(); at.Next(); {
			out.value(at.Key(), depth+1)
			out.value(at.Value(), depth+1)
		}
		return
	}
	for at := 0; at < v.Len(); at++ {
		out.value(v.Index(at), depth+1)
	}
}

func (out *Writer) pointer(v reflect.Value, depth int) {
	if v.IsNil() {
		out.Byte(0)
		return
	}
	place := unsafe.Pointer(v.Pointer())
	if number, ok := out.seen[place][v.Type()]; ok {
		out.Byte(2)
		out.Number(int(number))
		return
	}
	if out.seen[place] == nil {
		out.seen[place] = map[reflect.Type]uint32{}
	}
	out.seen[place][v.Type()] = out.count
	out.count++
	out.Byte(1)
	out.value(v.Elem(), depth+1)
}

// Reader is a message that came in. Its methods panic with Broken, or with what reflect says; see Guard.
type Reader struct {
	wire     *Wire
	left     []byte
	budget   int
	pointers []reflect.Value
}

func (in *Reader) take(size int) []byte {
	if size < 0 || size > len(in.left) {
		broken("a message cut short")
	}
	taken := in.left[:size]
	in.left = in.left[size:]
	return taken
}

// Byte reads a byte.
func (in *Reader) Byte() byte { return in.take(1)[0] }

// Number reads a number of four bytes.
func (in *Reader) Number() int { return int(binary.BigEndian.Uint32(in.take(4))) }

func (in *Reader) long() uint64 { return binary.BigEndian.Uint64(in.take(8)) }

// Count reads the number of items that follow, each of one byte at least.
func (in *Reader) Count() int {
	count := in.Number()
	if count > len(in.left) {
		broken("a count too large")
	}
	return count
}

// Text reads a string.
func (in *Reader) Text() string { return string(in.take(in.Count())) }

// End checks that nothing is left.
func (in *Reader) End() {
	if len(in.left) > 0 {
		broken("bytes after a message")
	}
}

func (in *Reader) spend(count int, size uintptr) {
	if size > maxMemory || count > maxMemory/int(size+1) {
		broken("a value too large")
	}
	in.budget -= count * int(size)
	if in.budget < 0 {
		broken("a value too large")
	}
}

// Value reads a value with its type; an invalid one is nil.
func (in *Reader) Value() reflect.Value { return in.any(0) }

func (in *Reader) any(depth int) reflect.Value {
	code := in.Byte()
	if code == codeNil {
		return reflect.Value{}
	}
	if code == codeError {
		return reflect.ValueOf(errors.New(in.Text()))
	}
	t := in.typ(code, 0)
	in.spend(1, t.Size())
	v := reflect.New(t).Elem()
	in.value(v, depth)
	return v
}

func (in *Reader) typ(code byte, depth int) reflect.Type {
	if depth > maxTypeDeep {
		broken("a type nested too deeply")
	}
	switch code {
	case codeNamed:
		t := in.wire.types[in.Text()]
		if t == nil {
			broken("a type that was not declared")
		}
		return t
	case codeAny:
		return anyType
	case codeError:
		return errorType
	case codeSlice:
		return reflect.SliceOf(in.typ(in.Byte(), depth+1))
	case codeArray:
		length := in.Number()
		elem := in.typ(in.Byte(), depth+1)
		if length > len(in.left) || uintptr(length)*(elem.Size()+1) > maxMessage*16 {
			broken("an array too long")
		}
		return reflect.ArrayOf(length, elem)
	case codeMap:
		key := in.typ(in.Byte(), depth+1)
		if !key.Comparable() {
			broken("a map of keys that cannot be compared")
		}
		return reflect.MapOf(key, in.typ(in.Byte(), depth+1))
	case codePointer:
		return reflect.PtrTo(in.typ(in.Byte(), depth+1))
	}
	t := basics[reflect.Kind(code)]
	if t == nil {
		broken("no type")
	}
	return t
}

// value reads into a variable.
func (in *Reader) value(v reflect.Value, depth int) {
	if depth > maxDepth {
		broken("a value nested too deeply")
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(in.Byte() != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := int64(in.long())
		if v.OverflowInt(n) {
			broken("a number too large")
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n := in.long()
		if v.OverflowUint(n) {
			broken("a number too large")
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(math.Float64frombits(in.long()))
	case reflect.Complex64, reflect.Complex128:
		whole := math.Float64frombits(in.long())
		v.SetComplex(complex(whole, math.Float64frombits(in.long())))
	case reflect.String:
		v.SetString(in.Text())
	case reflect.Slice:
		if in.Byte() == 0 {
			return
		}
		count := in.Count()
		in.spend(count, v.Type().Elem().Size())
		v.Set(reflect.MakeSlice(v.Type(), count, count))
		for at := 0; at < count; at++ {
			in.value(v.Index(at), depth+1)
		}
	case reflect.Array:
		if in.Count() != v.Len() {
			broken("an array of another length")
		}
		for at := 0; at < v.Len(); at++ {
			in.value(v.Index(at), depth+1)
		}
	case reflect.Map:
		in.mapping(v, depth)
	case reflect.Ptr:
		in.pointer(v, depth)
	case reflect.Interface:
		if found := in.any(depth + 1); found.IsValid() {
			v.Set(found)
		}
	case reflect.Struct:
		in.structure(v, depth)
	default:
		broken("no value")
	}
}

func (in *Reader) mapping(v reflect.Value, depth int) {
	if in.Byte() == 0 {
		return
	}
	count := in.Count()
	t := v.Type()
	v.Set(reflect.MakeMap(t))
	for at := 0; at < count; at++ {
		in.spend(2, t.Key().Size()+t.Elem().Size())
		key, item := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		in.value(key, depth+1)
		in.value(item, depth+1)
		v.SetMapIndex(key, item)
	}
}

func (in *Reader) pointer(v reflect.Value, depth int) {
	switch in.Byte() {
	case 0:
	case 1:
		in.spend(1, v.Type().Elem().Size())
		made := reflect.New(v.Type().Elem())
		in.pointers = append(in.pointers, made)
		v.Set(made.Convert(v.Type()))
		in.value(made.Elem(), depth+1)
	case 2:
		number := in.Number()
		if number >= len(in.pointers) {
			broken("a pointer to nothing")
		}
		v.Set(in.pointers[number].Convert(v.Type()))
	default:
		broken("no pointer")
	}
}

func (in *Reader) structure(v reflect.Value, depth int) {
	count := in.Count()
	for at := 0; at < count; at++ {
		name := in.Text()
		found := in.any(depth + 1)
		field := v.FieldByName(name)
		if !field.IsValid() || !found.IsValid() {
			continue
		}
		// The field may not be exported, which keeps nobody from it who holds the whole.
		reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(found)
	}
}

// Fits gives a value as another type has it, if it does.
func Fits(v reflect.Value, t reflect.Type) (reflect.Value, bool) {
	for v.IsValid() && v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		switch t.Kind() {
		case reflect.Interface, reflect.Ptr, reflect.Slice, reflect.Map:
			return reflect.Zero(t), true
		}
		return v, false
	}
	if v.Type().AssignableTo(t) {
		made := reflect.New(t).Elem()
		made.Set(v)
		return made, true
	}
	return v, false
}
