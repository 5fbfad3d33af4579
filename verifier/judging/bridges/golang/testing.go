// Package testing is what tests of functions use of the standard package of that name.
package testing

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// TB is what T offers.
type TB interface {
	Cleanup(func())
	Error(args ...interface{})
	Errorf(format string, args ...interface{})
	Fail()
	FailNow()
	Failed() bool
	Fatal(args ...interface{})
	Fatalf(format string, args ...interface{})
	Helper()
	Log(args ...interface{})
	Logf(format string, args ...interface{})
	Name() string
	Skip(args ...interface{})
	SkipNow()
	Skipf(format string, args ...interface{})
	Skipped() bool
}

// T is a running test.
type T struct {
	name    string
	parent  *T
	mutex   sync.Mutex
	failed  bool
	skipped bool
	cleanup []func()
}

// Test is a test of a script.
type Test struct {
	Name string
	Run  func(t *T)
}

// RunAll runs tests one after the other and says whether one failed; ended is called with what a test panicked with.
func RunAll(tests []Test, ended func(value interface{})) bool {
	isFailed := false
	for _, test := range tests {
		t := &T{name: test.Name}
		t.run(test.Run, ended)
		isFailed = isFailed || t.Failed()
	}
	return isFailed
}

var onPanic func(value interface{})

func (t *T) run(f func(t *T), ended func(value interface{})) {
	onPanic = ended
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() {
			if found := recover(); found != nil {
				fmt.Fprintf(os.Stderr, "panic: %v\n%s", found, debug.Stack())
				ended(found)
			}
		}()
		defer func() {
			for at := len(t.cleanup) - 1; at >= 0; at-- {
				t.cleanup[at]()
			}
		}()
		f(t)
	}()
	<-done
}

// Run runs a test within a test.
func (t *T) Run(name string, f func(t *T)) bool {
	inner := &T{name: t.name + "/" + strings.ReplaceAll(name, " ", "_"), parent: t}
	inner.run(f, onPanic)
	return !inner.Failed()
}

// Fail marks the test, and those that hold it, as failed.
func (t *T) Fail() {
	for at := t; at != nil; at = at.parent {
		at.mutex.Lock()
		at.failed = true
		at.mutex.Unlock()
	}
}

// Failed says whether the test failed.
func (t *T) Failed() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.failed
}

// FailNow fails the test and ends it.
func (t *T) FailNow() {
	t.Fail()
	runtime.Goexit()
}

// Log prints.
func (t *T) Log(args ...interface{}) {
	fmt.Fprintln(os.Stderr, append([]interface{}{t.name + ":"}, args...)...)
}

// Logf prints.
func (t *T) Logf(format string, args ...interface{}) { t.Log(fmt.Sprintf(format, args...)) }

// Error fails the test.
func (t *T) Error(args ...interface{}) {
	t.Log(args...)
	t.Fail()
}

// Errorf fails the test.
func (t *T) Errorf(format string, args ...interface{}) {
	t.Logf(format, args...)
	t.Fail()
}

// Fatal fails the test and ends it.
func (t *T) Fatal(args ...interface{}) {
	t.Log(args...)
	t.FailNow()
}

// Fatalf fails the test and ends it.
func (t *T) Fatalf(format string, args ...interface{}) {
	t.Logf(format, args...)
	t.FailNow()
}

// Helper does nothing.
func (t *T) Helper() {}

// Parallel does nothing: tests run one after the other.
func (t *T) Parallel() {}

// Name is the name of the test.
func (t *T) Name() string { return t.name }

// Cleanup has a function called at the end of the test.
func (t *T) Cleanup(f func()) { t.cleanup = append(t.cleanup, f) }

// Deadline says that there is none.
func (t *T) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Setenv sets a variable.
func (t *T) Setenv(key, value string) { os.Setenv(key, value) }

// TempDir makes a directory.
func (t *T) TempDir() string {
	name, err := os.MkdirTemp("", "test")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// Skip ends the test.
func (t *T) Skip(args ...interface{}) {
	t.Log(args...)
	t.SkipNow()
}

// Skipf ends the test.
func (t *T) Skipf(format string, args ...interface{}) {
	t.Logf(format, args...)
	t.SkipNow()
}

// SkipNow ends the test.
func (t *T) SkipNow() {
	t.skipped = true
	runtime.Goexit()
}

// Skipped says whether the test was skipped.
func (t *T) Skipped() bool { return t.skipped }

// Short is false.
func Short() bool { return false }

// Verbose is false.
func Verbose() bool { return false }
