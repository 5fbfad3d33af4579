package wire

import (
	"fmt"
	"os"
	"reflect"
)

// How a tester ends; see TesterExit.
const (
	failed      = 1
	raised      = 2
	gone        = 3
	vacuous     = 4
	uncrossable = 5
)

// Raise is the panic of a solution whose value is no plain one.
type Raise struct{ Message string }

func (r Raise) Error() string { return r.Message }

// Asker asks the solution's process.
type Asker struct {
	wire  *Wire
	calls int
	last  interface{}
	named func() map[string]reflect.Type
}

// NewAsker makes one; the types are asked for at the first call.
func NewAsker(named func() map[string]reflect.Type) *Asker { return &Asker{named: named} }

// Code is how the tester ends after its tests, or after a panic.
func (a *Asker) Code(isFailed bool, isPanic bool, value interface{}) int {
	switch {
	case isPanic && a.last != nil && fmt.Sprint(value) == fmt.Sprint(a.last):
		return raised
	case isPanic || isFailed:
		return failed
	case a.calls == 0:
		return vacuous
	}
	return 0
}

func end(code int, why interface{}) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(code)
}

// Func makes a function of the type of the pointer's target that asks the solution.
func (a *Asker) Func(target interface{}, name string, inPlace bool) {
	f := reflect.ValueOf(target).Elem()
	t := f.Type()
	f.Set(reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value { return a.ask(t, name, inPlace, args) }))
}

func (a *Asker) ask(t reflect.Type, name string, inPlace bool, args []reflect.Value) []reflect.Value {
	a.calls++
	if a.wire == nil {
		a.wire = Open(a.named())
	}
	out := a.wire.Message()
	if err := Guard(func() {
		out.Text(name)
		if inPlace {
			out.Byte(1)
		} else {
			out.Byte(0)
		}
		out.Number(len(args))
		for _, arg := range args {
			out.Value(arg)
		}
	}); err != nil {
		end(uncrossable, err)
	}
	if err := a.wire.Send(out); err != nil {
		end(gone, err)
	}
	in, err := a.wire.Receive()
	if err != nil {
		end(gone, err)
	}
	var results []reflect.Value
	var thrown interface{}
	var mismatch string
	if err := Guard(func() {
		kind := in.Byte()
		if kind != 'P' && kind != 'R' {
			broken("no answer")
		}
		if kind == 'P' {
			if value := in.Value(); value.IsValid() {
				thrown = value.Interface()
			} else {
				thrown = Raise{"panic"}
			}
			in.End()
			return
		}
		if count := in.Count(); count != t.NumOut() {
			mismatch = "another number of results"
			return
		}
		for at := 0; at < t.NumOut(); at++ {
			result, ok := Fits(in.Value(), t.Out(at))
			if !ok {
				mismatch = "a result of another type"
				return
			}
			results = append(results, result)
		}
		if inPlace {
			for _, arg := range args {
				update(arg, in.Value())
			}
		}
		in.End()
	}); err != nil {
		end(gone, err)
	}
	if mismatch != "" {
		end(raised, mismatch)
	}
	if thrown != nil {
		a.last = thrown
		panic(thrown)
	}
	return results
}

// update gives what the script holds the contents that the call left.
func update(old, fresh reflect.Value) {
	for old.IsValid() && old.Kind() == reflect.Interface {
		old = old.Elem()
	}
	if !old.IsValid() || !fresh.IsValid() || old.Type() != fresh.Type() {
		return
	}
	switch old.Kind() {
	case reflect.Slice:
		reflect.Copy(old, fresh)
	case reflect.Map:
		for _, key := range old.MapKeys() {
			old.SetMapIndex(key, reflect.Value{})
		}
		for at := fresh.MapRange(); at.Next() && !old.IsNil(); {
			old.SetMapIndex(at.Key(), at.Value())
		}
	case reflect.Ptr:
		if !old.IsNil() && !fresh.IsNil() {
			old.Elem().Set(fresh.Elem())
		}
	}
}
