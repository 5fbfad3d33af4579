// describe, it, test, expect and the hooks around tests: the common part of Jest, Vitest and Mocha.
'use strict';

const assert = require('assert');
const { isDeepStrictEqual } = require('util');

const MISSING = 'expect has no matcher of this name here';

// Jest's toEqual: fields that are undefined do not count, nor does the class.
function plain(value, seen = new Map()) {
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  if (Array.isArray(value)) {
    const list = [];
    seen.set(value, list);
    for (const item of value) list.push(plain(item, seen));
    return list;
  }
  const prototype = Object.getPrototypeOf(value);
  const isData = prototype === null || !(value instanceof Map || value instanceof Set || value instanceof Date ||
    value instanceof RegExp || value instanceof Error || ArrayBuffer.isView(value));
  if (!isData) return value;
  const fields = {};
  seen.set(value, fields);
  for (const key of Object.keys(value)) {
    if (value[key] !== undefined) Object.defineProperty(fields, key, { value: plain(value[key], seen), enumerable: true });
  }
  return fields;
}

const isEqual = (a, b) => isDeepStrictEqual(plain(a), plain(b));

function hasThrown(action, wanted) {
  try {
    action();
  } catch (error) {
    if (wanted === undefined) return true;
    if (typeof wanted === 'string') return String(error?.message).includes(wanted);
    if (wanted instanceof RegExp) return wanted.test(String(error?.message));
    if (typeof wanted === 'function') return error instanceof wanted;
    return error?.message === wanted.message;
  }
  return false;
}

const MATCHERS = {
  toBe: (a, b) => Object.is(a, b),
  toEqual: isEqual,
  toStrictEqual: (a, b) => isDeepStrictEqual(a, b),
  toBeCloseTo: (a, b, digits = 2) => Object.is(a, b) || Math.abs(a - b) < 10 ** -digits / 2,
  toBeNull: (a) => a === null,
  toBeUndefined: (a) => a === undefined,
  toBeDefined: (a) => a !== undefined,
  toBeNaN: (a) => Number.isNaN(a),
  toBeTruthy: (a) => Boolean(a),
  toBeFalsy: (a) => !a,
  toBeGreaterThan: (a, b) => a > b,
  toBeGreaterThanOrEqual: (a, b) => a >= b,
  toBeLessThan: (a, b) => a < b,
  toBeLessThanOrEqual: (a, b) => a <= b,
  toBeInstanceOf: (a, b) => a instanceof b,
  toContain: (a, b) => (typeof a === 'string' ? a.includes(b) : [...a].some((item) => Object.is(item, b))),
  toContainEqual: (a, b) => [...a].some((item) => isEqual(item, b)),
  toHaveLength: (a, b) => a?.length === b,
  toHaveProperty: (a, name, ...value) => {
    const found = (Array.isArray(name) ? name : String(name).split('.')).reduce((at, key) => at?.[key], a);
    return value.length ? isEqual(found, value[0]) : found !== undefined;
  },
  toMatch: (a, b) => (b instanceof RegExp ? b.test(a) : String(a).includes(b)),
  toThrow: hasThrown,
  toThrowError: hasThrown,
};

function expectation(actual, isNegated) {
  const made = Object.create(null);
  for (const [name, matches] of Object.entries(MATCHERS)) {
    made[name] = (...args) => {
      if (Boolean(matches(actual, ...args)) === isNegated) {
        throw new assert.AssertionError({ message: `expect: ${isNegated ? 'not ' : ''}${name}`, actual, expected: args[0] });
      }
    };
  }
  return new Proxy(made, {
    get(target, name) {
      if (name === 'not') return expectation(actual, !isNegated);
      if (name === 'resolves' || name === 'rejects') return awaited(actual, isNegated, name === 'rejects');
      if (name === 'then' || typeof name === 'symbol' || name in target) return target[name];
      throw new ReferenceError(`${MISSING}: ${name}`);
    },
  });
}

function awaited(actual, isNegated, isRejected) {
  const settled = async () => {
    let value;
    try {
      value = await actual;
    } catch (error) {
      if (!isRejected) throw error;
      return error;
    }
    if (isRejected) throw new assert.AssertionError({ message: 'expect: rejects' });
    return value;
  };
  return new Proxy({}, {
    get: (_, name) => {
      if (name === 'not') return awaited(actual, !isNegated, isRejected);
      return async (...args) => {
        const value = await settled();
        const isThrown = name === 'toThrow' || name === 'toThrowError';
        const subject = isThrown && isRejected ? () => { throw value; } : value;
        expectation(subject, isNegated)[name](...args);
      };
    },
  });
}

// A test whose function takes an argument is told by it that it is done.
function settle(action) {
  if (action.length === 0) return action();
  return new Promise((resolve, reject) => {
    const result = action((error) => (error ? reject(error) : resolve()));
    if (result instanceof Promise) result.then(resolve, reject);
  });
}

// The tests of a script: collected while it loads, run one after the other.
function suite() {
  const root = { tests: [], before: [], after: [], beforeAll: [], afterAll: [] };
  let current = root;
  let left = 0;
  const describe = (_, action) => {
    const outer = current;
    current = { tests: [], before: [], after: [], beforeAll: [], afterAll: [], outer };
    outer.tests.push(current);
    action();
    current = outer;
  };
  const it = (_, action) => {
    left += 1;
    current.tests.push(action);
  };
  for (const made of [describe, it]) {
    made.only = made;
    made.skip = () => {};
    made.todo = () => {};
    made.each = (table) => (name, action) => {
      for (const row of table) made(name, Array.isArray(row) ? () => action(...row) : () => action(row));
    };
  }
  const all = async (actions) => {
    for (const action of actions) await settle(action);
  };
  const around = (group, name) => {
    const own = group.outer ? around(group.outer, name) : [];
    return name === 'before' ? [...own, ...group.before] : [...group.after, ...own];
  };
  const run = async (group = root) => {
    await all(group.beforeAll);
    for (const test of group.tests) {
      if (typeof test !== 'function') {
        await run(test);
        continue;
      }
      await all(around(group, 'before'));
      await settle(test);
      await all(around(group, 'after'));
      left -= 1;
    }
    await all(group.afterAll);
  };
  const expect = new Proxy((actual) => expectation(actual, false), {
    get(_, name) {
      throw new ReferenceError(`${MISSING}: ${String(name)}`);
    },
  });
  const names = {
    describe, it, test: it, expect,
    beforeEach: (action) => current.before.push(action), afterEach: (action) => current.after.push(action),
    beforeAll: (action) => current.beforeAll.push(action), afterAll: (action) => current.afterAll.push(action),
  };
  // As Mocha calls them.
  Object.assign(names, { before: names.beforeAll, after: names.afterAll });
  return { names, run, isOpen: () => left > 0 };
}

// Tests of node:test are given a context, and may be given options.
function withContext(made) {
  const context = { name: '', diagnostic() {}, test: (...args) => settle(bound(args.at(-1))) };
  const bound = (action) => (action.length > 1 ? (done) => action(context, done) : () => action(context));
  const test = (...args) => made('', bound(args.at(-1)));
  return Object.assign(test, { skip: () => {}, todo: () => {}, only: test });
}

// A name that a module of tests has, but not here, is looked for in vain at once.
function strict(module) {
  return new Proxy(module, {
    get(target, name) {
      if (name in target || typeof name === 'symbol' || name === 'then' || name === '__esModule') return target[name];
      throw new ReferenceError(`${MISSING}: ${name}`);
    },
  });
}

// What the modules give that scripts take their tests from.
function modulesOf(names) {
  const { expect, ...common } = names;
  const test = withContext(names.it);
  const describe = (...args) => names.describe('', args.at(-1));
  const own = Object.assign(test, common, { describe, suite: describe, it: test, test, default: test });
  const others = ['@jest/globals', 'vitest', 'bun:test', 'mocha'].map((name) => [name, strict(names)]);
  return new Map([...others, ['node:test', strict(own)], ['test', strict(own)]]);
}

module.exports = { modulesOf, suite };
