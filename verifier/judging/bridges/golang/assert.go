// Package assert is what tests of public data sets use of testify's package of that name, with the same meaning.
//
// The package require is this one with failsNow true.
package assert

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"time"
)

const failsNow = false

// TestingT is a test that can fail.
type TestingT interface {
	Errorf(format string, args ...interface{})
}

// Assertions holds a test for the functions of this package.
type Assertions struct{ t TestingT }

// New makes the Assertions of a test.
func New(t TestingT) *Assertions { return &Assertions{t} }

func check(t TestingT, ok bool, what string, args []interface{}) bool {
	if ok {
		return true
	}
	t.Errorf("%s %v", what, args)
	if failing, can := t.(interface{ FailNow() }); failsNow && can {
		failing.FailNow()
	}
	return false
}

// ObjectsAreEqual compares deeply, and bytes as bytes.
func ObjectsAreEqual(expected, actual interface{}) bool {
	if expected == nil || actual == nil {
		return expected == actual
	}
	want, isBytes := expected.([]byte)
	if !isBytes {
		return reflect.DeepEqual(expected, actual)
	}
	got, isBytes := actual.([]byte)
	if !isBytes || want == nil || got == nil {
		return isBytes && want == nil && got == nil
	}
	return bytes.Equal(want, got)
}

// ObjectsAreEqualValues compares after the conversion to the type of what is actual, too.
func ObjectsAreEqualValues(expected, actual interface{}) bool {
	if ObjectsAreEqual(expected, actual) {
		return true
	}
	t := reflect.TypeOf(actual)
	v := reflect.ValueOf(expected)
	return t != nil && v.IsValid() && v.Type().ConvertibleTo(t) && reflect.DeepEqual(v.Convert(t).Interface(), actual)
}

func isFunc(value interface{}) bool {
	return value != nil && reflect.TypeOf(value).Kind() == reflect.Func
}

func isNil(value interface{}) bool {
	if value == nil {
		return true
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Ptr, reflect.Slice, reflect.UnsafePointer:
		return v.IsNil()
	}
	return false
}

func isEmpty(value interface{}) bool {
	if value == nil {
		return true
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Chan, reflect.Map, reflect.Slice:
		return v.Len() == 0
	case reflect.Ptr:
		return v.IsNil() || isEmpty(v.Elem().Interface())
	}
	return reflect.DeepEqual(value, reflect.Zero(v.Type()).Interface())
}

func length(value interface{}) (n int, ok bool) {
	defer func() { ok = recover() == nil }()
	return reflect.ValueOf(value).Len(), true
}

func contains(list, item interface{}) (found, ok bool) {
	v := reflect.ValueOf(list)
	if !v.IsValid() {
		return false, false
	}
	switch v.Kind() {
	case reflect.String:
		text, isText := item.(string)
		return isText && strings.Contains(v.String(), text), isText
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if ObjectsAreEqual(key.Interface(), item) {
				return true, true
			}
		}
		return false, true
	case reflect.Slice, reflect.Array:
		for at := 0; at < v.Len(); at++ {
			if ObjectsAreEqual(v.Index(at).Interface(), item) {
				return true, true
			}
		}
		return false, true
	}
	return false, false
}

func subset(list, part interface{}) (all, ok bool) {
	v := reflect.ValueOf(part)
	if !v.IsValid() {
		return true, true
	}
	if v.Kind() == reflect.Map {
		whole := reflect.ValueOf(list)
		if whole.Kind() != reflect.Map {
			return false, false
		}
		for _, key := range v.MapKeys() {
			got := whole.MapIndex(key)
			if !got.IsValid() || !ObjectsAreEqual(v.MapIndex(key).Interface(), got.Interface()) {
				return false, true
			}
		}
		return true, true
	}
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return false, false
	}
	for at := 0; at < v.Len(); at++ {
		found, ok := contains(list, v.Index(at).Interface())
		if !ok || !found {
			return false, ok
		}
	}
	return true, true
}

func sameElements(a, b interface{}) bool {
	if isEmpty(a) && isEmpty(b) {
		return true
	}
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	isList := func(v reflect.Value) bool { return v.Kind() == reflect.Slice || v.Kind() == reflect.Array }
	if !isList(v) || !isList(w) || v.Len() != w.Len() {
		return false
	}
	taken := make([]bool, w.Len())
	for at := 0; at < v.Len(); at++ {
		found := false
		for other := 0; other < w.Len() && !found; other++ {
			if !taken[other] && ObjectsAreEqual(v.Index(at).Interface(), w.Index(other).Interface()) {
				taken[other], found = true, true
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func number(value interface{}) (float64, bool) {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(v.Int()), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return float64(v.Uint()), true
	case reflect.Float32, reflect.Float64:
		return v.Float(), true
	}
	return 0, false
}

func within(expected, actual interface{}, delta float64) bool {
	a, isNumber := number(expected)
	b, isOther := number(actual)
	if !isNumber || !isOther {
		return false
	}
	if math.IsNaN(a) && math.IsNaN(b) {
		return true
	}
	return !math.IsNaN(a) && !math.IsNaN(b) && math.Abs(a-b) <= delta
}

func withinAll(expected, actual interface{}, delta float64) bool {
	v, w := reflect.ValueOf(expected), reflect.ValueOf(actual)
	if !v.IsValid() || !w.IsValid() || v.Kind() != reflect.Slice || w.Kind() != reflect.Slice || v.Len() != w.Len() {
		return false
	}
	for at := 0; at < v.Len(); at++ {
		if !within(v.Index(at).Interface(), w.Index(at).Interface(), delta) {
			return false
		}
	}
	return true
}

func near(expected, actual interface{}, epsilon float64) bool {
	a, isNumber := number(expected)
	b, isOther := number(actual)
	if !isNumber || !isOther || math.IsNaN(epsilon) {
		return false
	}
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return a != 0 && math.Abs(a-b)/math.Abs(a) <= epsilon
}

// compare gives the order of two values of one ordered type.
func compare(a, b interface{}) (order int, ok bool) {
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	if !v.IsValid() || !w.IsValid() || v.Type() != w.Type() {
		return 0, false
	}
	var less, more bool
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		less, more = v.Int() < w.Int(), v.Int() > w.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		less, more = v.Uint() < w.Uint(), v.Uint() > w.Uint()
	case reflect.Float32, reflect.Float64:
		less, more = v.Float() < w.Float(), v.Float() > w.Float()
	case reflect.String:
		less, more = v.String() < w.String(), v.String() > w.String()
	default:
		return 0, false
	}
	if less {
		return -1, true
	}
	if more {
		return 1, true
	}
	return 0, true
}

func panicked(f func()) (value interface{}, isPanic bool) {
	isPanic = true
	defer func() {
		found := recover()
		if isPanic {
			value = found
		}
	}()
	f()
	isPanic = false
	return nil, false
}

func matches(pattern, text interface{}) bool {
	r, isRegexp := pattern.(*regexp.Regexp)
	if !isRegexp {
		r = regexp.MustCompile(fmt.Sprint(pattern))
	}
	return r.MatchString(fmt.Sprint(text))
}

func isOrdered(a, b interface{}, low, high int) bool {
	order, ok := compare(a, b)
	return ok && low <= order && order <= high
}

func hasLength(value interface{}, size int) bool {
	n, ok := length(value)
	return ok && n == size
}

func both(found, ok bool) bool { return found && ok }

func lacks(found, ok bool) bool { return !found && ok }

func panics(f func()) bool {
	_, isPanic := panicked(f)
	return isPanic
}

func panicsWith(value interface{}, f func()) bool {
	found, isPanic := panicked(f)
	return isPanic && reflect.DeepEqual(found, value)
}

func panicsWithError(message string, f func()) bool {
	found, _ := panicked(f)
	err, isError := found.(error)
	return isError && err.Error() == message
}

// FailNow fails the test and ends it.
func FailNow(t TestingT, message string, args ...interface{}) bool {
	check(t, false, "FailNow "+message, args)
	t.(interface{ FailNow() }).FailNow()
	return false
}

// FailNow fails the test and ends it.
func (on *Assertions) FailNow(message string, args ...interface{}) bool { return FailNow(on.t, message, args...) }
