// Calls between two processes over descriptor 3, each message as plain tagged data: no value of one side is ever an
// object of the other. What arrives is hostile: every shape is checked, nothing recurses, nothing is evaluated.
//
// A message is four bytes of length and JSON: an array that begins with its kind. A bundle is [table, roots]: the
// table holds each object once, by its kind and parts; roots and parts are scalars or ["@", place in the table].
'use strict';

const { readSync, writeSync } = require('fs');
const { types } = require('util');

const DESCRIPTOR = 3;
const MAX_BYTES = 64 << 20;
const MAX_LENGTH = 10_000_000;
const MAX_DRAWN = 100_000;
// A function under these names would be asked what its object is worth, or when it is ready.
const NEVER_CALLED = new Set(['then', 'valueOf', 'toString', 'toJSON', 'toLocaleString', 'inspect', 'asymmetricMatch']);
const BINARY = {
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
  Float64Array, BigInt64Array, BigUint64Array,
};
const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const sleep = new Int32Array(new SharedArrayBuffer(4));

class Gone extends Error {} // the other side has ended, or sent what is no message
class Uncrossable extends Error {} // a value that cannot be sent

function check(isRight) {
  if (!isRight) throw new Gone('no message');
}

function isIndex(value, end) {
  return Number.isInteger(value) && value >= 0 && value < end;
}

// --- bytes

function transfer(action, buffer) {
  for (let at = 0; at < buffer.length; ) {
    let count = 0;
    try {
      count = action(DESCRIPTOR, buffer, at, buffer.length - at);
    } catch (error) {
      if (error.code !== 'EAGAIN' && error.code !== 'EINTR') throw new Gone(error.code);
      Atomics.wait(sleep, 0, 0, 1);
      continue;
    }
    if (count === 0) throw new Gone('end');
    at += count;
  }
  return buffer;
}

function send(message) {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  if (body.length > MAX_BYTES) throw new Uncrossable('a value is too large');
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  transfer(writeSync, Buffer.concat([head, body]));
}

function receive() {
  const length = transfer(readSync, Buffer.alloc(4)).readUInt32LE();
  check(length <= MAX_BYTES);
  const body = transfer(readSync, Buffer.alloc(length));
  let message;
  try {
    message = JSON.parse(body.toString('utf8'));
  } catch {
    throw new Gone('no message');
  }
  check(Array.isArray(message));
  return message;
}

// --- values

const tagOf = (value) => Object.prototype.toString.call(value);
const lists = new WeakMap();

// A generator of what a list will hold.
function drawn(list) {
  const made = (function* draw() {
    yield* list;
  })();
  lists.set(made, list);
  return made;
}

function pairsOf(value, keys, child) {
  return keys.map((key) => [key, child(value[key])]);
}

class Channel {
  // isTester: whether what arrives comes from the solution, which may lie.
  // lookup: finds a class of the task by its name.
  constructor({ isTester, lookup }) {
    this.isTester = isTester;
    this.lookup = lookup;
    this.own = []; // functions and objects that the other side may use, by number
    this.numbers = new Map();
    this.stubs = new Map(); // stubs of the other side's, by number
    this.originals = new WeakMap(); // and back
  }

  number(target) {
    let number = this.numbers.get(target);
    if (number === undefined) {
      number = this.own.push(target) - 1;
      this.numbers.set(target, number);
    }
    return number;
  }

  // The objects of a bundle are returned too, in the order of its table. `known` maps objects of an earlier bundle
  // to their places in it; `changed` lists those whose parts are sent once more.
  pack(roots, known = new Map(), changed = []) {
    const places = new Map();
    const objects = [];
    const child = (value) => {
      switch (typeof value) {
        case 'undefined': return ['u'];
        case 'boolean': case 'string': return value;
        case 'number': {
          if (Object.is(value, -0)) return ['n', '-0'];
          return Number.isFinite(value) ? value : ['n', String(value)];
        }
        case 'bigint': return ['b', value.toString(16)];
        case 'symbol': throw new Uncrossable('a symbol');
        case 'function': {
          const original = this.originals.get(value);
          return original === undefined ? ['f', this.number(value)] : ['p', original];
        }
        default:
      }
      if (value === null) return null;
      if (this.originals.has(value)) return ['p', this.originals.get(value)];
      if (this.isHandle(value)) return ['i', this.number(value)];
      if (known.has(value)) return ['^', known.get(value)];
      let place = places.get(value);
      if (place === undefined) {
        place = objects.push(value) - 1;
        places.set(value, place);
      }
      return ['@', place];
    };
    const packed = roots.map(child);
    const changes = changed.map((value) => this.parts(value, child));
    const table = [];
    for (let at = 0; at < objects.length; at++) table.push(this.parts(objects[at], child));
    return { bundle: [table, packed], objects, changes };
  }

  parts(value, child) {
    if (Array.isArray(value)) {
      if (value.length > MAX_LENGTH) throw new Uncrossable('an array is too long');
      const items = [];
      let present = 0;
      for (let at = 0; at < value.length; at++) {
        const isThere = at in value;
        items.push(isThere ? child(value[at]) : ['h']);
        present += isThere;
      }
      // Keys that are no places come last.
      return ['a', items, pairsOf(value, Object.keys(value).slice(present), child)];
    }
    if (types.isMap(value)) return ['m', [...value].map(([key, item]) => [child(key), child(item)])];
    if (types.isSet(value)) return ['s', [...value].map(child)];
    if (types.isDate(value)) return ['d', Number.isNaN(value.getTime()) ? null : value.getTime()];
    if (types.isRegExp(value)) return ['r', value.source, value.flags];
    if (types.isNativeError(value)) {
      const known = this.isShared(value) ? value.constructor.name : '';
      return ['e', known, String(value.name), String(value.message), pairsOf(value, Object.keys(value), child)];
    }
    if (types.isAnyArrayBuffer(value)) return ['t', 'ArrayBuffer', Buffer.from(value).toString('base64')];
    if (ArrayBuffer.isView(value)) {
      const name = Buffer.isBuffer(value) ? 'Buffer' : value[Symbol.toStringTag];
      if (!name || (name !== 'Buffer' && !(name in BINARY))) throw new Uncrossable('a view of memory');
      return ['t', name, Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')];
    }
    if (types.isGeneratorObject(value)) {
      const items = [];
      for (const item of value) {
        if (items.push(child(item)) > MAX_DRAWN) throw new Uncrossable('a generator without an end');
      }
      return ['y', items];
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === null || prototype === Object.prototype) {
      return ['o', prototype === null ? 1 : 0, pairsOf(value, Object.keys(value), child)];
    }
    if (this.isShared(value)) return ['c', value.constructor.name, pairsOf(value, Object.keys(value), child)];
    // A class of the script's is unknown to the solution, which sees its fields.
    if (this.isTester && !types.isPromise(value)) return ['o', 0, pairsOf(value, Object.keys(value), child)];
    const name = value.constructor && value.constructor.name;
    throw new Uncrossable(typeof name === 'string' && name ? `an object of the class ${name}` : 'an object of a class');
  }

  isShared(value) {
    const made = value.constructor;
    return typeof made === 'function' && Boolean(made.name) && this.lookup(made.name) === made;
  }

  // The values of a bundle, and its objects. `known` are the objects of the bundle that is being answered, and
  // `changes` their new parts.
  unpack(bundle, known = [], changes = []) {
    check(Array.isArray(bundle) && Array.isArray(bundle[0]) && Array.isArray(bundle[1]) && Array.isArray(changes));
    const [table, roots] = bundle;
    const objects = table.map((parts) => this.empty(parts));
    const value = (part) => {
      if (part === null || ['boolean', 'string', 'number'].includes(typeof part)) return part;
      check(Array.isArray(part));
      const [kind, argument] = part;
      switch (kind) {
        case 'u': return undefined;
        case 'n': {
          check(['-0', 'NaN', 'Infinity', '-Infinity'].includes(argument));
          return Number(argument);
        }
        case 'b': {
          check(typeof argument === 'string' && /^-?[0-9a-f]+$/.test(argument));
          return argument[0] === '-' ? -BigInt(`0x${argument.slice(1)}`) : BigInt(`0x${argument}`);
        }
        case '@': {
          check(isIndex(argument, objects.length));
          return objects[argument];
        }
        case '^': {
          check(isIndex(argument, known.length));
          return known[argument];
        }
        case 'f': {
          check(isIndex(argument, 2 ** 31));
          return this.stub(argument);
        }
        case 'i': {
          check(isIndex(argument, 2 ** 31));
          return this.instance(argument);
        }
        case 'p': {
          check(isIndex(argument, this.own.length));
          return this.own[argument];
        }
        default: throw new Gone('no message');
      }
    };
    table.forEach((parts, at) => this.fill(objects[at], parts, value));
    check(changes.length <= known.length);
    changes.forEach((parts, at) => this.change(known[at], parts, value));
    return { values: roots.map(value), objects };
  }

  empty(parts) {
    check(Array.isArray(parts));
    const [kind, first, second, third] = parts;
    switch (kind) {
      case 'a': return [];
      case 'm': return new Map();
      case 's': return new Set();
      case 'y': return drawn([]);
      case 'o': return first ? Object.create(null) : {};
      case 'd': {
        check(first === null || typeof first === 'number');
        return new Date(first === null ? NaN : first);
      }
      case 'r': {
        check(typeof first === 'string' && typeof second === 'string');
        try {
          return new RegExp(first, second);
        } catch {
          throw new Gone('no message');
        }
      }
      case 'e': {
        check(typeof first === 'string' && typeof second === 'string' && typeof third === 'string');
        return this.error(first, second, third);
      }
      case 't': {
        check(typeof second === 'string');
        const bytes = Buffer.from(second, 'base64');
        const memory = new Uint8Array(bytes).buffer;
        if (first === 'Buffer') return Buffer.from(memory);
        if (first === 'ArrayBuffer') return memory;
        check(Object.hasOwn(BINARY, first) && memory.byteLength % BINARY[first].BYTES_PER_ELEMENT === 0);
        return new BINARY[first](memory);
      }
      case 'c': {
        check(typeof first === 'string');
        const made = this.lookup(first);
        check(typeof made === 'function');
        return Object.create(made.prototype);
      }
      default: throw new Gone('no message');
    }
  }

  error(shared, name, message) {
    const made = (shared && this.lookup(shared)) || (Object.hasOwn(ERRORS, name) ? ERRORS[name] : Error);
    const error = new Error(message);
    if (typeof made === 'function') Object.setPrototypeOf(error, made.prototype);
    if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
    return error;
  }

  fill(object, parts, value) {
    const [kind, first, second] = parts;
    switch (kind) {
      case 'a': {
        check(Array.isArray(first));
        for (const part of first) {
          if (Array.isArray(part) && part[0] === 'h') object.length += 1;
          else object.push(value(part));
        }
        this.define(object, second, value);
        break;
      }
      case 'm': {
        check(Array.isArray(first));
        for (const pair of first) {
          check(Array.isArray(pair));
          object.set(value(pair[0]), value(pair[1]));
        }
        break;
      }
      case 's': {
        check(Array.isArray(first));
        for (const part of first) object.add(value(part));
        break;
      }
      case 'y': {
        check(Array.isArray(first));
        for (const part of first) lists.get(object).push(value(part));
        break;
      }
      case 'o': case 'c': this.define(object, second, value); break;
      case 'e': this.define(object, parts[4], value); break;
      default:
    }
  }

  define(object, pairs, value) {
    check(Array.isArray(pairs));
    for (const pair of pairs) {
      check(Array.isArray(pair) && typeof pair[0] === 'string');
      const item = value(pair[1]);
      if (this.isTester && typeof item === 'function' && NEVER_CALLED.has(pair[0])) {
        throw new Uncrossable(`a function ${pair[0]}`);
      }
      Object.defineProperty(object, pair[0], { value: item, writable: true, enumerable: true, configurable: true });
    }
  }

  change(object, parts, value) {
    const now = this.empty(parts);
    check(tagOf(now) === tagOf(object));
    if (Object.isFrozen(object)) return;
    if (parts[0] === 'm' || parts[0] === 's') object.clear();
    else if (parts[0] === 'd') object.setTime(now.getTime());
    else if (parts[0] === 't' && object.length === now.length && object.set) object.set(now);
    else if (parts[0] === 'a') object.length = 0;
    else if (parts[0] === 'o' || parts[0] === 'c') for (const key of Object.keys(object)) delete object[key];
    else return;
    this.fill(object, parts, value);
  }

  // --- calls

  stub(number) {
    let stub = this.stubs.get(number);
    if (stub === undefined) {
      const channel = this;
      stub = function (...args) {
        return new.target ? channel.make(number, args) : channel.call(number, args);
      };
      this.stubs.set(number, stub);
      this.originals.set(stub, number);
    }
    return stub;
  }

  call(number, args) {
    const { bundle, objects } = this.pack(args);
    return this.answer(this.ask(['call', number, bundle]), objects);
  }

  make() {
    throw new TypeError('not a constructor');
  }

  // Whether an object is not copied but asked: those of the entry point's class are.
  isHandle() {
    return false;
  }

  instance() {
    throw new Gone('no message');
  }

  // Sends a question, serves what is asked meanwhile, and gives the answer to it.
  ask(question) {
    send(question);
    for (;;) {
      const message = receive();
      if (message[0] === 'return' || message[0] === 'raise' || message[0] === 'refuse') return message;
      send(this.serve(message));
    }
  }
}

module.exports = { Channel, Gone, MAX_DRAWN, Uncrossable, check, isIndex, receive, send };
