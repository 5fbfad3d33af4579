// The solution's side: loads the program, then answers calls of its entry point.
'use strict';

const path = require('path');
const { types } = require('util');
const { Channel, Gone, MAX_DRAWN, Uncrossable, check, isIndex, receive, send } = require('./channel.cjs');
const { evaluator, load } = require('./loading.cjs');
const { entry, is_in_place: isInPlace } = require('./task.json');

const { exit } = process;
const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
const isThenable = (value) => isObject(value) && typeof value.then === 'function';

function first(iterator, count) {
  const items = [];
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    if (items.push(next.value) > count) throw new Uncrossable('an iterator without an end');
  }
  return items;
}

class Server extends Channel {
  // What the tester asks: a call, an object of a class, or a field of one.
  perform([kind, number, ...rest]) {
    check(isIndex(number, this.own.length));
    const target = this.own[number];
    switch (kind) {
      case 'call': case 'new': {
        if (typeof target !== 'function') throw new TypeError(`${entry} is not a function`);
        const { values: args, objects } = this.unpack(rest[0]);
        return { objects, value: kind === 'new' ? new target(...args) : target(...args) };
      }
      case 'get': {
        const value = target[rest[0]];
        return { objects: [], value: typeof value === 'function' ? this.bound(target, rest[0]) : value };
      }
      case 'fields': return { objects: [], value: { ...target } };
      case 'items': return { objects: [], value: first(target[Symbol.iterator](), MAX_DRAWN) };
      case 'set': {
        [target[rest[0]]] = this.unpack(rest[1]).values;
        return { objects: [] };
      }
      default: throw new Gone('no message');
    }
  }

  isHandle(value) {
    const made = this.own[0];
    return typeof made === 'function' && typeof made.prototype === 'object' && value instanceof made;
  }

  bound(target, name) {
    this.methods ??= new WeakMap();
    if (!this.methods.has(target)) this.methods.set(target, new Map());
    const known = this.methods.get(target);
    if (!known.has(name)) known.set(name, (...args) => target[name](...args));
    return known.get(name);
  }

  reply({ objects, value }, isPromise) {
    if (isThenable(value)) throw new Uncrossable('a promise');
    const tells = isInPlace || value === undefined;
    const known = new Map(tells ? objects.map((object, place) => [object, place]) : []);
    const { bundle, changes } = this.pack([value], known, tells ? objects : []);
    return ['return', isPromise, bundle, tells ? changes : null];
  }

  failure(error, isPromise) {
    if (error instanceof Uncrossable) return ['refuse', error.message];
    try {
      return ['raise', isPromise, this.pack([error]).bundle];
    } catch {
      return ['raise', isPromise, [[], ['an exception that cannot cross']]];
    }
  }

  // A call while the program itself waits for a function of the tester's.
  serve(message) {
    try {
      return this.reply(this.perform(message), false);
    } catch (error) {
      if (error instanceof Gone) throw error;
      return this.failure(error, false);
    }
  }

  async serveWaiting(message) {
    let isPromise = false;
    try {
      const done = this.perform(message);
      isPromise = isThenable(done.value);
      if (isPromise) done.value = await done.value;
      return this.reply(done, isPromise);
    } catch (error) {
      if (error instanceof Gone) throw error;
      return this.failure(error, isPromise);
    }
  }

  // The tester's functions answer with a value or throw; they are never waited for.
  answer([kind, , bundle]) {
    if (kind === 'refuse') throw new TypeError('a function of the tests gave what cannot cross');
    const [value] = this.unpack(bundle).values;
    if (kind === 'raise') throw value;
    return value;
  }
}

async function main() {
  const evaluate = await evaluator(path.join(__dirname, 'prelude.js'));
  const lookup = (name) => evaluate.lookup(name);
  const server = new Server({ isTester: false, lookup });
  let failed = null;
  try {
    server.number(await load(path.join(__dirname, 'program.js'), evaluate, entry));
  } catch (error) {
    failed = { error };
  }
  for (;;) {
    const message = receive();
    try {
      send(failed ? server.failure(failed.error, false) : await server.serveWaiting(message));
    } catch (error) {
      if (!(error instanceof Uncrossable)) throw error;
      send(['refuse', error.message]);
    }
  }
}

// What the program leaves unhandled ends no call.
process.on('unhandledRejection', () => {});
main().catch((error) => exit(error instanceof Gone ? 0 : 1));
