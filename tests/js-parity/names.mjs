// Which names and values mixpanel-js loses or takes for something else. Prints them: the list in
// mengpaneel/src/call/browser.rs is made from what this says. `npm ci && node names.mjs`
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

const source = readFileSync(
  createRequire(import.meta.url).resolve('mixpanel-browser/dist/mixpanel.globals.js'),
  'utf8',
);

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';

function browser({ stored, userAgent, vendor, url, referrer, sent }) {
  const location = new URL(url);
  let jar = stored ? `mp_t_mixpanel=${encodeURIComponent(JSON.stringify(stored))}` : '';
  const storage = () => {
    const kept = new Map();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, String(value)),
      removeItem: (key) => kept.delete(key),
    };
  };
  class XMLHttpRequest {
    withCredentials = true;

    open(_, url) {
      this.path = new URL(url).pathname.replaceAll('/', '');
    }
    setRequestHeader() {}
    send(body) {
      sent.push([this.path, JSON.parse(new URLSearchParams(body).get('data'))]);
      this.readyState = 4;
      this.status = 200;
      this.responseText = '1';
      this.onreadystatechange?.();
    }
  }
  const document = {
    get cookie() {
      return jar;
    },
    set cookie(text) {
      if (text.startsWith('mp_t_mixpanel=')) jar = text.split(';')[0];
    },
    referrer,
    URL: url,
    location,
    title: '',
    readyState: 'complete',
    addEventListener() {},
    createElement: () => ({ style: {} }),
    getElementsByTagName: () => [],
    documentElement: {},
  };
  const window = {
    document,
    location,
    navigator: { userAgent, vendor, onLine: true, doNotTrack: null, cookieEnabled: true },
    screen: { width: 1, height: 1 },
    localStorage: storage(),
    sessionStorage: storage(),
    XMLHttpRequest,
    URL,
    console: { log() {}, error() {}, warn() {} },
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    crypto: globalThis.crypto,
    addEventListener() {},
    removeEventListener() {},
    dispatchEvent() {},
    CustomEvent: class {},
  };
  window.window = window;
  window.self = window;
  return window;
}


async function run(calls, { stored, batch = false } = {}) {
  const sent = [];
  const window = browser({ userAgent: CHROME, vendor: 'Google Inc.', url: 'https://example.com/', referrer: '', stored, sent });
  const context = vm.createContext(window);
  vm.runInContext(`window.mixpanel = []; mixpanel.__SV = 1.2; mixpanel._i = [['t', { api_payload_format: 'json', batch_requests: ${batch}, batch_flush_interval_ms: 20, batch_autostart: true, track_pageview: false, debug: false, cross_subdomain_cookie: false }, 'mixpanel']]; mixpanel.people = [];`, context);
  try { vm.runInContext(source, window); } catch (e) { return { sent: [], errors: 'INIT ' + e, jar: '' }; }
  window.calls = JSON.stringify(calls);
  const errors = vm.runInContext(`
    let errors = [];
    for (const [path, args] of JSON.parse(calls)) {
      try {
        if (path[0] === 'people') mixpanel.people[path[1]](...args);
        else if (path[0] === 'get_group') mixpanel.get_group(args[0], args[1])[path[1]](...args.slice(2));
        else mixpanel[path[0]](...args);
      } catch (e) { errors.push(String(e)); }
    }
    errors.join('; ')`, context);
  await new Promise((r) => setTimeout(r, batch ? 150 : 3));
  return { sent: sent.flatMap(([p, b]) => (Array.isArray(b) ? b.map((x) => [p, x]) : [[p, b]])), errors, jar: window.document.cookie };
}
const own = (o, path) => path.reduce((v, k) => (v != null && Object.prototype.hasOwnProperty.call(v, k) ? v[k] : undefined), o);
const lit = (key, value) => JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}, "zz": 1}`);
const KEYS = [...Object.getOwnPropertyNames(Object.prototype), 'length','forEach','then','toJSON','toArray','callee','token','','0','__mps','__alias','__timers','$people_distinct_id','$had_persisted_distinct_id','$duration','distinct_id2','constructor.prototype','\u2028'];
const VALUES = [5, 'x', { $user_id: '9', b: 2 }];
const bad = {};const at=(o,k)=>{const q="k:"+k;return (o[q] ??= []);};
const note = (kind, key, value, got) => at((bad[kind] ??= {}), key).push(`${JSON.stringify(value)} -> ${got}`);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const keys = [...new Set(KEYS)];
const user = { distinct_id: '7', $user_id: '7', $device_id: 'd' };
await Promise.all(keys.map(async (key) => {
  // event names
  { const r = await run([[['track'], [key, { a: 1 }]]], { stored: user });
    const e = r.sent.find(([p]) => p === 'track');
    if (!e || e[1].event !== key || e[1].properties.a !== 1 || e[1].properties.$duration !== undefined) note('event name', key, '', r.errors || JSON.stringify(r.sent)); }
  { const r = await run([[['time_event'], [key]], [['track'], [key, { a: 1 }]]], { stored: user });
    const e = r.sent.find(([p]) => p === 'track');
    if (!e || !(typeof e[1].properties.$duration === 'number')) note('time_event', key, '', r.errors || JSON.stringify(r.sent)); }
  for (const v of VALUES) {
    for (const [kind, wrap, path] of [['track top', (o) => o, []], ['track nested', (o) => ({ n: o }), ['n']], ['track in list', (o) => ({ n: [o] }), ['n', 0]]]) {
      const r = await run([[['track'], ['E', wrap(lit(key, v))]]], { stored: user });
      const e = r.sent.find(([p]) => p === 'track');
      const got = e && own(e[1].properties, [...path, key]);
      if (!e || !same(got, v) || own(e[1].properties, [...path, 'zz']) !== 1 || e[1].properties.$user_id !== (key === '$user_id' && !path.length ? v : '7') || e[1].properties.token !== 't') note(kind, key, v, e ? JSON.stringify(path.length ? e[1].properties.n : got) : r.errors);
    }
    for (const m of ['set', 'set_once', 'append', 'union', 'remove', 'increment']) {
      for (const first of [true, false]) {
        if (m === 'increment' && typeof v !== 'number') continue;
        const id = [['identify'], ['7']];
        const c = [['people', m], [lit(key, v)]];
        const r = await run(first ? [id, c] : [c, id], { stored: user });
        const op = { set: '$set', set_once: '$set_once', append: '$append', union: '$union', remove: '$remove', increment: '$add' }[m];
        const e = r.sent.find(([p, b]) => p === 'engage' && b[op]);
        const want = m === 'union' && !Array.isArray(v) ? [v] : v;
        const got = e && own(e[1][op], [key]);
        if (!e || !same(got, want) || own(e[1][op], ['zz']) === undefined) note(`people.${m} ${first ? 'identified' : 'queued'}`, key, v, e ? JSON.stringify(e[1][op]) : r.errors || 'nothing');
      }
    }
    for (const m of ['set', 'set_once', 'union', 'remove']) {
      const args = m === 'set' || m === 'set_once' ? [lit(key, v)] : [key, v];
      const r = await run([[['get_group', m], ['company', 'acme', ...args]]], { stored: user });
      const op = { set: '$set', set_once: '$set_once', union: '$union', remove: '$remove' }[m];
      const e = r.sent.find(([p, b]) => p === 'groups' && b[op]);
      const want = m === 'union' && !Array.isArray(v) ? [v] : v;
      if (!e || !same(own(e[1][op], [key]), want)) note(`get_group.${m}`, key, v, e ? JSON.stringify(e[1][op]) : r.errors || 'nothing');
    }
    for (const m of ['register', 'register_once']) {
      const r = await run([[[m], [lit(key, v)]], [['track'], ['E', {a: 1}]]], { stored: user });
      const e = r.sent.find(([p]) => p === 'track');
      const stored = (() => { try { return JSON.parse(decodeURIComponent(r.jar.split('=')[1])); } catch { return undefined; } })();
      const r2 = stored && await run([[['track'], ['E2', {a: 1}]]], { stored });
      const e2 = r2?.sent.find(([p]) => p === 'track');
      for (const [which, x] of [['now', e], ['next page', e2]])
        if (!x || !same(own(x[1].properties, [key]), v) || (x[1].properties.distinct_id !== '7') || x[1].properties.zz !== 1) note(`${m} ${which}`, key, v, x ? JSON.stringify(x[1].properties[key]) + ' id ' + x[1].properties.distinct_id : r.errors || r2?.errors || 'nothing');
    }
    if (v !== null) {
      const r = await run([[['track_with_groups'], ['E', {a: 1}, lit(key, v)]]], { stored: user });
      const e = r.sent.find(([p]) => p === 'track');
      if (!e || !same(own(e[1].properties, [key]), v)) note('track_with_groups', key, v, e ? '' : r.errors);
    }
  }
  for (const m of ['set_group', 'add_group', 'remove_group']) {
    const r = await run([[['identify'], ['7']], [[m], [key, 'acme']], [['track'], ['E', { a: 1 }]]], { stored: user });
    const e = r.sent.find(([p]) => p === 'track');
    const p = r.sent.filter(([p]) => p === 'engage').at(-1);
    const op = { set_group: '$set', add_group: '$union', remove_group: '$remove' }[m];
    const want = m === 'remove_group' ? undefined : ['acme'];
    const wp = m === 'remove_group' ? 'acme' : ['acme'];
    if (!e || !same(own(e[1].properties, [key]), want) || !p || !p[1][op] || !same(own(p[1][op], [key]), wp) || e[1].properties.distinct_id !== '7') note(m, key, '', r.errors || JSON.stringify(r.sent));
  }
  { const r = await run([[['identify'], ['7']], [['people', 'unset'], [[key]]]], { stored: user });
    const e = r.sent.find(([p, b]) => p === 'engage' && b.$unset);
    if (!e || !same(e[1].$unset, [key])) note('people.unset', key, '', r.errors);
    const q = await run([[['people', 'unset'], [[key]]], [['identify'], ['7']]], { stored: user });
    const f = q.sent.find(([p, b]) => p === 'engage' && b.$unset);
    if (!f || !same(f[1].$unset, [key])) note('people.unset queued', key, '', q.errors || 'nothing'); }
  { const r = await run([[['identify'], [key]], [['track'], ['E', {}]]], { stored: { distinct_id: '$device:d', $device_id: 'd' } });
    const e = r.sent.filter(([p]) => p === 'track').at(-1);
    if (!e || e[1].properties.$user_id !== key) note('identify', key, '', r.errors || JSON.stringify(e)); }
}));
for (const [kind, rows] of Object.entries(bad)) {
  console.log('== ' + kind);
  for (const [k, list] of Object.entries(rows)) console.log('   ' + JSON.stringify(k) + ': ' + list.map((x) => x.slice(0, 110)).slice(0, 3).join(' | ') + (list.length > 3 ? ` (+${list.length - 3})` : ''));
}
process.exit(0);
