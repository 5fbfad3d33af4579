// The tests' side: the script, with a stub in the place of the entry point. How this process ends is the finding.
'use strict';

const assert = require('assert');
const path = require('path');
const { createHook } = require('async_hooks');
const { createRequire } = require('module');
const { Channel, Gone, Uncrossable, check } = require('./channel.cjs');
const { evaluator, isModule, loadModule, moduleOf, read } = require('./loading.cjs');
const { modulesOf, suite } = require('./suite.cjs');
const { entry, is_in_place: isInPlace } = require('./task.json');

const [PASSED, FAILED, RAISED, GONE, VACUOUS, BROKEN] = [0, 1, 2, 3, 4, 5];
const { reallyExit } = process;
const end = reallyExit.bind(process);
const raised = new Set(); // what the solution threw
const pending = new Set(); // promises of the script that nothing has settled
const called = new Set(); // functions of the script that the solution called
let finding = PASSED; // worse than passing, whatever the script makes of it
let calls = 0;
let left = 0; // promises that stay pending though all is done
let isLoaded = false;
let isMade = false; // whether the script uses the entry point as a class

function find(worse) {
  if (finding === PASSED) finding = worse;
}

function guarded(action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof Gone) end(GONE);
    if (error instanceof Uncrossable) end(RAISED);
    throw error;
  }
}

class Tester extends Channel {
  answer([kind, isPromise, bundle, changes], objects = []) {
    if (kind === 'refuse') end(RAISED);
    if (kind === 'raise') {
      const [error] = this.unpack(bundle).values;
      raised.add(error);
      if (isPromise) return Promise.reject(error);
      throw error;
    }
    const isNothing = Array.isArray(bundle) && Array.isArray(bundle[1]?.[0]) && bundle[1][0][0] === 'u';
    const isTold = Array.isArray(changes) && (isInPlace || isNothing);
    const [value] = this.unpack(bundle, isTold ? objects : [], isTold ? changes : []).values;
    return isPromise === true ? Promise.resolve(value) : value;
  }

  // What cannot be sent to the solution is the script's fault.
  pack(...args) {
    try {
      return super.pack(...args);
    } catch (error) {
      if (error instanceof Uncrossable) end(BROKEN);
      throw error;
    }
  }

  call(number, args) {
    calls += 1;
    return guarded(() => super.call(number, args));
  }

  make(number, args) {
    calls += 1;
    isMade = true;
    return guarded(() => {
      const { bundle, objects } = this.pack(args);
      return this.answer(this.ask(['new', number, bundle]), objects);
    });
  }

  // The solution calls a function that the script gave it.
  serve([kind, number, bundle]) {
    check(kind === 'call' && typeof this.own[number] === 'function');
    const { values } = this.unpack(bundle);
    called.add(number);
    try {
      const value = this.own[number](...values);
      if (value instanceof Promise) end(BROKEN);
      return ['return', false, this.pack([value]).bundle, null];
    } catch (error) {
      // What fails here has failed, though the solution may catch it.
      if (error instanceof assert.AssertionError) find(FAILED);
      return ['raise', false, this.pack([error]).bundle];
    }
  }

  // Between two calls an object is what it was when it was first looked at: no field can suit each look.
  look(number, question, ...rest) {
    if (this.seenAt !== calls) this.seen = new Map();
    this.seenAt = calls;
    const key = JSON.stringify([question, number, ...rest]);
    if (!this.seen.has(key)) {
      const value = guarded(() => this.answer(this.ask([question, number, ...rest])));
      this.seen.set(key, value);
    }
    return this.seen.get(key);
  }

  // Objects of the entry point's class are the script's own doing: it has made one, or used the class itself.
  instance(number) {
    check(isMade);
    if (!this.stubs.has(-1 - number)) this.stubs.set(-1 - number, this.handle(number));
    return this.stubs.get(-1 - number);
  }

  // Asks the solution for the fields and methods of an object; what is compared is data.
  handle(number) {
    const target = Object.create(stub.prototype);
    const fields = () => this.look(number, 'fields');
    const isOurs = (name) => typeof name === 'symbol' || name === 'constructor' || name === 'then';
    const made = new Proxy(target, {
      get: (_, name) => {
        if (name === Symbol.iterator) return () => this.look(number, 'items')[Symbol.iterator]();
        return isOurs(name) ? target[name] : this.look(number, 'get', name);
      },
      has: (_, name) => (isOurs(name) ? name in target : this.look(number, 'get', name) !== undefined),
      ownKeys: () => Object.keys(fields()),
      getOwnPropertyDescriptor: (_, name) => {
        const found = Object.getOwnPropertyDescriptor(fields(), name);
        return found && { ...found, configurable: true };
      },
      set: (_, name, value) => {
        if (isOurs(name)) return false;
        calls += 1;
        guarded(() => this.answer(this.ask(['set', number, name, this.pack([value]).bundle])));
        return true;
      },
      defineProperty: () => false,
      deleteProperty: () => false,
      setPrototypeOf: () => false,
    });
    this.originals.set(made, number);
    return made;
  }
}

// What is asked of any value before it is used.
const SILENT = new Set(['then', 'toJSON', 'inspect', 'asymmetricMatch', '$$typeof', 'nodeType']);
let tester;
const own = function (...args) {
  return new.target ? tester.make(0, args) : tester.call(0, args);
};
Object.defineProperty(own, 'name', { value: entry });
// Static members of a class.
const stub = new Proxy(own, {
  get: (target, name) => {
    if (name in target || typeof name === 'symbol' || SILENT.has(name)) return target[name];
    isMade = true;
    return tester.look(0, 'get', name);
  },
});

function isBroken(error) {
  if (raised.has(error)) return false;
  if (error instanceof SyntaxError && /does not provide an export named/.test(error.message)) return true;
  return error instanceof ReferenceError || ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code);
}

function judge(error) {
  console.error(error);
  if (error instanceof Gone) end(GONE);
  if (isBroken(error)) find(BROKEN);
  else find(raised.has(error) ? RAISED : FAILED);
}

// A function that asserts something was given to the solution to be called; one that says it must not be was not.
function isUncalled(target, number) {
  if (typeof target !== 'function' || called.has(number)) return false;
  const text = Function.prototype.toString.call(target);
  return /\b(assert|expect)\b/.test(text) && !/fail|throw/i.test(text);
}

function verdict(code) {
  if (finding !== PASSED) return finding;
  if (tester.own.some(isUncalled)) return FAILED;
  if (code) return FAILED;
  return calls > 0 ? PASSED : VACUOUS;
}

const tests = suite();
const modules = modulesOf(tests.names);

// There is no other file: whatever is loaded by a path is the program.
const given = Object.assign(Object.create(null), { [entry]: stub, default: stub });
const isPath = (name) => /^\.{0,2}\//.test(name);

function provided(name) {
  if (modules.has(name)) return modules.get(name);
  return isPath(name) ? given : undefined;
}

function resolver(file) {
  const real = createRequire(file);
  const exported = new Proxy(own, {
    get: (_, name) => (name === entry || name === 'default' ? stub : stub[name]),
  });
  return (name) => {
    if (modules.has(name)) return modules.get(name);
    return isPath(name) ? exported : real(name);
  };
}

const print = console.assert.bind(console);
console.assert = (isRight, ...words) => {
  print(isRight, ...words);
  if (!isRight) {
    find(FAILED);
    throw new assert.AssertionError({ message: 'console.assert' });
  }
};

async function main() {
  const file = path.join(__dirname, 'script.js');
  const resolve = resolver(file);
  let evaluate;
  try {
    evaluate = await evaluator(path.join(__dirname, 'prelude.js'), resolve);
  } catch {
    end(BROKEN);
  }
  tester = new Tester({ isTester: true, lookup: evaluate.lookup });
  tester.originals.set(stub, 0);
  const text = read(file);
  process.on('uncaughtException', (error) => {
    judge(error);
    process.exit();
  });
  // A script that waits for what never comes has not come to its end.
  const hook = createHook({ init: (id, type) => type === 'PROMISE' && pending.add(id), promiseResolve: (id) => pending.delete(id) });
  process.on('beforeExit', () => {
    if (!isLoaded || tests.isOpen() || pending.size > left) find(FAILED);
    process.exit();
  });
  process.reallyExit = (code) => {
    if (tests.isOpen()) find(FAILED);
    end(verdict(code));
  };
  hook.enable();
  try {
    if (evaluate.head || isModule(text)) {
      Object.assign(globalThis, tests.names, { [entry]: stub });
      // A module that awaits leaves one promise of V8's own.
      if (/\bawait\b/.test(text)) left = 1;
      await loadModule(file, moduleOf([evaluate.head + text]) ?? text, provided);
    } else {
      const outer = [...Object.keys(tests.names), entry];
      const inner = ['exports', 'require', 'module', '__filename', '__dirname'];
      const made = evaluate(
        `(function (${outer.join(', ')}) { return function (${inner.join(', ')}) {${text}\n}; })`,
      )(...Object.values(tests.names), stub);
      const module = { exports: {} };
      made.call(module.exports, module.exports, resolve, module, file, __dirname);
    }
    isLoaded = true;
    await tests.run();
  } catch (error) {
    judge(error);
    process.exit();
  }
}

main();
