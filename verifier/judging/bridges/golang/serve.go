package wire

import (
	"fmt"
	"os"
	"reflect"
)

// Serve answers calls of functions until the channel closes.
func Serve(functions map[string]interface{}, types map[string]reflect.Type) {
	w := Open(types)
	for {
		in, err := w.Receive()
		if err != nil {
			return
		}
		out := w.Message()
		if value, isPanic := answered(w, in, out, functions); isPanic {
			out = w.Message()
			out.Byte('P')
			if Guard(func() { out.Value(reflect.ValueOf(value)) }) != nil || out.buffer.Len() > maxMessage {
				out = w.Message()
				out.Byte('P')
				out.Value(reflect.ValueOf("panic"))
			}
		}
		if err := w.Send(out); err != nil {
			out = w.Message()
			out.Byte('P')
			out.Value(reflect.ValueOf(err.Error()))
			if w.Send(out) != nil {
				return
			}
		}
	}
}

func answered(w *Wire, in *Reader, out *Writer, functions map[string]interface{}) (value interface{}, isPanic bool) {
	defer func() {
		if found := recover(); found != nil {
			fmt.Fprintln(os.Stderr, "panic:", found)
			value, isPanic = found, true
		}
	}()
	f := reflect.ValueOf(functions[in.Text()])
	t := f.Type()
	inPlace := in.Byte() == 1
	args := make([]reflect.Value, in.Count())
	if len(args) != t.NumIn() {
		broken("another number of parameters")
	}
	for at := range args {
		arg, ok := Fits(in.Value(), t.In(at))
		if !ok {
			arg = converted(arg, t.In(at))
		}
		args[at] = arg
	}
	isPanic = true // unless the call returns: a goroutine can also end
	value = "the call did not return"
	var results []reflect.Value
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() {
			if found := recover(); found != nil {
				fmt.Fprintln(os.Stderr, "panic:", found)
				value = found
			}
		}()
		if t.IsVariadic() {
			results = f.CallSlice(args)
		} else {
			results = f.Call(args)
		}
		isPanic = false
	}()
	<-done
	if isPanic {
		return value, true
	}
	out.Byte('R')
	out.Number(len(results))
	for _, result := range results {
		out.Value(result)
	}
	if inPlace {
		for _, arg := range args {
			out.Value(arg)
		}
	}
	return nil, false
}

// converted gives a number as a program has it that declares another type for a parameter, if nothing is lost.
func converted(v reflect.Value, t reflect.Type) reflect.Value {
	if v.IsValid() && basics[v.Kind()] != nil && basics[t.Kind()] != nil && v.Kind() != reflect.String &&
		t.Kind() != reflect.String && v.Type().ConvertibleTo(t) {
		made := v.Convert(t)
		if back := made.Convert(v.Type()); back.Interface() == v.Interface() {
			return made
		}
	}
	broken("a parameter of another type")
	return v
}
