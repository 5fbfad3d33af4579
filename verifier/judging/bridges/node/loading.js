// Loads texts as Node loads files: as CommonJS, or as a module where they parse as that alone. The task's prelude
// stands around them, so that a name of the prelude may be declared again.
'use strict';

const fs = require('fs');
const vm = require('vm');
const { createRequire } = require('module');

const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];
const importModuleDynamically = (name) => import(name);

function read(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').replace(/^#!.*/, '') : '';
}

// A function that evaluates an expression among the names of the prelude.
async function evaluator(file, resolve = createRequire(file)) {
  const head = read(file);
  const isHeadModule = isModule(head);
  const text = `${isHeadModule ? '' : head}\n;return (__assay_text) => eval(__assay_text);`;
  const module = { exports: {} };
  const made = vm.compileFunction(text, PARAMETERS, { filename: file, importModuleDynamically });
  const evaluate = made(module.exports, resolve, module, file, __dirname);
  // A prelude of imports can only stand in front of a module.
  evaluate.head = isHeadModule ? head : '';
  const found = new Map();
  evaluate.lookup = (name) => {
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)) return undefined;
    if (!found.has(name)) found.set(name, isDeclared(evaluate, name) ? evaluate(name) : undefined);
    return found.get(name);
  };
  return evaluate;
}

// A name of the prelude alone: those of the global object and of this function are nobody's classes.
function isDeclared(evaluate, name) {
  if (name in globalThis || PARAMETERS.includes(name)) return false;
  try {
    return typeof evaluate(`typeof ${name} === 'function' && ${name}`) === 'function';
  } catch {
    return false;
  }
}

function isModule(text) {
  try {
    vm.compileFunction(text, PARAMETERS);
    return false;
  } catch (first) {
    try {
      return Boolean(new vm.SourceTextModule(text));
    } catch {
      throw first;
    }
  }
}

async function loadModule(file, text, resolve) {
  const known = new Map();
  const link = async (name) => {
    if (!known.has(name)) {
      const found = resolve ? resolve(name) : undefined;
      const space = found === undefined ? await import(name) : found;
      known.set(name, new vm.SyntheticModule(Object.keys(space), function () {
        for (const key of Object.keys(space)) this.setExport(key, space[key]);
      }));
    }
    return known.get(name);
  };
  const initializeImportMeta = (meta) => { meta.url = `file://${file}`; };
  const module = new vm.SourceTextModule(text, { identifier: file, importModuleDynamically, initializeImportMeta });
  await module.link(link);
  await module.evaluate();
  return module.namespace;
}

// The first of these texts that is a module; null where the last is none.
function moduleOf(texts) {
  for (const text of texts) {
    try {
      new vm.SourceTextModule(text);
      return text;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return null;
}

// The entry point of a program, however it is given: by name, by an export, or as the only export.
async function load(file, evaluate, name) {
  const text = read(file);
  if (evaluate.head || isModule(text)) {
    const exported = `${text}\n;export { ${name} as __assay_entry };`;
    const space = await loadModule(file, moduleOf([evaluate.head + exported, exported, evaluate.head + text]) ?? text);
    return space.__assay_entry ?? space[name] ?? space.default;
  }
  const own = `typeof ${name} === 'undefined' ? undefined : ${name}`;
  const made = evaluate(`(function (${PARAMETERS.join(', ')}) {${text}\n;return ${own};\n})`);
  const module = { exports: {} };
  const found = made.call(module.exports, module.exports, createRequire(file), module, file, __dirname);
  if (found !== undefined) return found;
  return module.exports?.[name] ?? module.exports?.default ?? module.exports;
}

module.exports = { evaluator, isModule, load, loadModule, moduleOf, read };
