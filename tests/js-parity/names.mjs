// Finds names and values that the real mixpanel-js loses or changes, and prints them.
// The list in mengpaneel/src/call/browser.rs is based on this output. Run `npm ci && node names.mjs`.
import vm from 'node:vm';

import { fakeBrowser, loadMixpanel } from './fake-browser.mjs';

const NAMES = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  'length', 'forEach', 'then', 'toJSON', 'toArray', 'callee', 'token', '', '0', '__mps', '__alias', '__timers',
  '$people_distinct_id', '$had_persisted_distinct_id', '$duration', 'distinct_id2', 'constructor.prototype', '\u2028',
]);
const VALUES = [5, 'x', { $user_id: '9', b: 2 }];
const ANONYMOUS = { distinct_id: '$device:d', $device_id: 'd' };
const USER = { distinct_id: '7', $user_id: '7', $device_id: 'd' };
const TRACK = [['track'], ['E', { a: 1 }]];
const IDENTIFY = [['identify'], ['7']];

// Operations of profile records, by method.
const OPERATIONS = { set: '$set', set_once: '$set_once', append: '$append', union: '$union', remove: '$remove', increment: '$add' };

// Runs calls in a new page. Returns the sent messages as [endpoint, body], the errors, and the cookie.
async function run(calls, stored = USER) {
  const sent = [];
  const window = fakeBrowser({ url: 'https://example.com/', stored, sent });
  let context;
  try {
    context = loadMixpanel(window);
  } catch (error) {
    return { sent: [], errors: `INIT ${error}`, cookie: '' };
  }
  window.calls = JSON.stringify(calls);
  const errors = vm.runInContext(
    `let errors = [];
     for (const [path, args] of JSON.parse(calls)) {
       try {
         if (path[0] === 'people') mixpanel.people[path[1]](...args);
         else if (path[0] === 'get_group') mixpanel.get_group(args[0], args[1])[path[1]](...args.slice(2));
         else mixpanel[path[0]](...args);
       } catch (error) { errors.push(String(error)); }
     }
     errors.join('; ')`,
    context,
  );
  await new Promise((resolve) => setTimeout(resolve, 3));
  const messages = sent.flatMap(([endpoint, body]) => (Array.isArray(body) ? body.map((record) => [endpoint, record]) : [[endpoint, body]]));
  return { sent: messages, errors, cookie: window.document.cookie };
}

// Body of the first message to an endpoint.
const first = ({ sent }, endpoint, matches = () => true) => sent.find(([to, body]) => to === endpoint && matches(body))?.[1];
const last = ({ sent }, endpoint) => sent.filter(([to]) => to === endpoint).at(-1)?.[1];

// Own property at a path, without prototypes.
const own = (object, path) =>
  path.reduce((value, key) => (value != null && Object.prototype.hasOwnProperty.call(value, key) ? value[key] : undefined), object);

// Object with this key, also for `__proto__`, and with `zz: 1`.
const objectWith = (key, value) => JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}, "zz": 1}`);

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// Findings by kind, then by name. The prefix keeps `__proto__` an ordinary key.
const findings = {};

function report(kind, name, value, actual) {
  const byName = (findings[kind] ??= {});
  (byName[`k:${name}`] ??= []).push(`${JSON.stringify(value)} -> ${actual}`);
}

async function checkEventName(name) {
  const result = await run([[['track'], [name, { a: 1 }]]]);
  const event = first(result, 'track');
  const isSent = event && event.event === name && event.properties.a === 1 && event.properties.$duration === undefined;
  if (!isSent) report('event name', name, '', result.errors || JSON.stringify(result.sent));
}

async function checkTimeEvent(name) {
  const result = await run([[['time_event'], [name]], [['track'], [name, { a: 1 }]]]);
  const event = first(result, 'track');
  if (typeof event?.properties.$duration !== 'number') report('time_event', name, '', result.errors || JSON.stringify(result.sent));
}

async function checkEventProperty(name, value) {
  const positions = [
    ['track top', (object) => object, []],
    ['track nested', (object) => ({ n: object }), ['n']],
    ['track in list', (object) => ({ n: [object] }), ['n', 0]],
  ];
  for (const [kind, wrap, path] of positions) {
    const result = await run([[['track'], ['E', wrap(objectWith(name, value))]]]);
    const properties = first(result, 'track')?.properties;
    const actual = properties && own(properties, [...path, name]);
    const userId = name === '$user_id' && path.length === 0 ? value : '7';
    const isSent =
      properties && same(actual, value) && own(properties, [...path, 'zz']) === 1 && properties.$user_id === userId && properties.token === 't';
    if (!isSent) report(kind, name, value, properties ? JSON.stringify(path.length ? properties.n : actual) : result.errors);
  }
}

async function checkProfileProperty(name, value) {
  for (const method of ['set', 'set_once', 'append', 'union', 'remove', 'increment']) {
    if (method === 'increment' && typeof value !== 'number') continue;
    const operation = OPERATIONS[method];
    const call = [['people', method], [objectWith(name, value)]];
    for (const [state, calls] of [['identified', [IDENTIFY, call]], ['queued', [call, IDENTIFY]]]) {
      const result = await run(calls);
      const record = first(result, 'engage', (body) => body[operation]);
      const expected = method === 'union' && !Array.isArray(value) ? [value] : value;
      const actual = record && own(record[operation], [name]);
      const isSent = record && same(actual, expected) && own(record[operation], ['zz']) !== undefined;
      if (!isSent) report(`people.${method} ${state}`, name, value, record ? JSON.stringify(record[operation]) : result.errors || 'nothing');
    }
  }
}

async function checkGroupProperty(name, value) {
  for (const method of ['set', 'set_once', 'union', 'remove']) {
    const operation = OPERATIONS[method];
    const args = method.startsWith('set') ? [objectWith(name, value)] : [name, value];
    const result = await run([[['get_group', method], ['company', 'acme', ...args]]]);
    const record = first(result, 'groups', (body) => body[operation]);
    const expected = method === 'union' && !Array.isArray(value) ? [value] : value;
    const isSent = record && same(own(record[operation], [name]), expected);
    if (!isSent) report(`get_group.${method}`, name, value, record ? JSON.stringify(record[operation]) : result.errors || 'nothing');
  }
}

function storedProperties(cookie) {
  try {
    return JSON.parse(decodeURIComponent(cookie.split('=')[1]));
  } catch {
    return undefined;
  }
}

async function checkSuperProperty(name, value) {
  for (const method of ['register', 'register_once']) {
    const result = await run([[[method], [objectWith(name, value)]], TRACK]);
    const stored = storedProperties(result.cookie);
    const nextPage = stored && (await run([[['track'], ['E2', { a: 1 }]]], stored));
    for (const [page, event] of [['now', first(result, 'track')], ['next page', nextPage && first(nextPage, 'track')]]) {
      const properties = event?.properties;
      const isSent = properties && same(own(properties, [name]), value) && properties.distinct_id === '7' && properties.zz === 1;
      const actual = properties
        ? `${JSON.stringify(properties[name])} id ${properties.distinct_id}`
        : result.errors || nextPage?.errors || 'nothing';
      if (!isSent) report(`${method} ${page}`, name, value, actual);
    }
  }
}

async function checkTrackWithGroups(name, value) {
  const result = await run([[['track_with_groups'], ['E', { a: 1 }, objectWith(name, value)]]]);
  const event = first(result, 'track');
  const isSent = event && same(own(event.properties, [name]), value);
  if (!isSent) report('track_with_groups', name, value, event ? '' : result.errors);
}

async function checkGroupKey(name) {
  const operations = { set_group: '$set', add_group: '$union', remove_group: '$remove' };
  for (const [method, operation] of Object.entries(operations)) {
    const result = await run([IDENTIFY, [[method], [name, 'acme']], TRACK]);
    const properties = first(result, 'track')?.properties;
    const record = last(result, 'engage');
    const isRemoval = method === 'remove_group';
    const isSent =
      properties &&
      same(own(properties, [name]), isRemoval ? undefined : ['acme']) &&
      record?.[operation] &&
      same(own(record[operation], [name]), isRemoval ? 'acme' : ['acme']) &&
      properties.distinct_id === '7';
    if (!isSent) report(method, name, '', result.errors || JSON.stringify(result.sent));
  }
}

async function checkUnset(name) {
  const unset = [['people', 'unset'], [[name]]];
  const isSent = (result) => same(first(result, 'engage', (body) => body.$unset)?.$unset, [name]);
  const identified = await run([IDENTIFY, unset]);
  if (!isSent(identified)) report('people.unset', name, '', identified.errors);
  const queued = await run([unset, IDENTIFY]);
  if (!isSent(queued)) report('people.unset queued', name, '', queued.errors || 'nothing');
}

async function checkIdentify(name) {
  const result = await run([[['identify'], [name]], [['track'], ['E', {}]]], ANONYMOUS);
  const event = last(result, 'track');
  if (event?.properties.$user_id !== name) report('identify', name, '', result.errors || JSON.stringify(event && ['track', event]));
}

async function check(name) {
  await checkEventName(name);
  await checkTimeEvent(name);
  for (const value of VALUES) {
    await checkEventProperty(name, value);
    await checkProfileProperty(name, value);
    await checkGroupProperty(name, value);
    await checkSuperProperty(name, value);
    await checkTrackWithGroups(name, value);
  }
  await checkGroupKey(name);
  await checkUnset(name);
  await checkIdentify(name);
}

await Promise.all([...NAMES].map(check));
for (const [kind, byName] of Object.entries(findings)) {
  console.log(`== ${kind}`);
  for (const [name, list] of Object.entries(byName)) {
    const shown = list.map((text) => text.slice(0, 110)).slice(0, 3).join(' | ');
    console.log(`   ${JSON.stringify(name)}: ${shown}${list.length > 3 ? ` (+${list.length - 3})` : ''}`);
  }
}
process.exit(0);
