// Records the messages that the real mixpanel-js sends for sequences of calls.
// mengpaneel/src/translate/parity.rs compares them with the messages that the server would send.
// Run `npm ci && npm run record`.
import { writeFileSync } from 'node:fs';

import { fakeBrowser, loadMixpanel } from './fake-browser.mjs';

const target = new URL('../../mengpaneel/src/translate/parity.json', import.meta.url);

const DEVICE = '6a4e5f12-9f0e-4f7e-8a31-0d8a5c1b2e3f';
const anonymous = { distinct_id: `$device:${DEVICE}`, $device_id: DEVICE };
const user = { distinct_id: '42', $user_id: '42', $device_id: DEVICE };

// Runs the calls of a scenario, and returns the messages that mixpanel-js sends.
async function record(scenario) {
  const sent = [];
  const window = fakeBrowser({ url: 'https://example.com/posts?a=b', ...scenario, sent });
  loadMixpanel(window);
  const { mixpanel } = window;
  for (const [path, args] of scenario.calls) {
    if (path[0] === 'people') mixpanel.people[path[1]](...args);
    else if (path[0] === 'get_group') mixpanel.get_group(args[0], args[1])[path[1]](...args.slice(2));
    else mixpanel[path[0]](...args);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return sent
    .filter(([, body]) => !body.$set_once?.$initial_referrer)
    .map(([endpoint, body]) => ({ endpoint, body: withoutVariableProperties(body, scenario.calls) }));
}

// Removes properties that differ in each run or belong to the fake browser, unless a call sets them.
function withoutVariableProperties(body, calls) {
  const variable = ['$insert_id', 'time', '$screen_height', '$screen_width', 'mp_lib', '$lib_version',
    '$initial_referrer', '$initial_referring_domain'];
  const callsJson = JSON.stringify(calls);
  const properties = body.properties ?? {};
  for (const key of variable) if (!callsJson.includes(`"${key}"`)) delete properties[key];
  return body;
}

const track = [['track'], ['E', { a: 1 }]];
const scenarios = [
  { name: 'an event of the anonymous', stored: anonymous, calls: [track] },
  { name: 'an event of a user', stored: user, calls: [track] },
  {
    name: 'a page with a campaign and a referrer',
    stored: user,
    url: 'https://example.com:8443/posts?utm_source=news+letter&utm_medium=e%20mail&gclid=x&a=b',
    referrer: 'https://other.example:8080/a/b?q=1',
    calls: [track, [['track_pageview'], []]],
  },
  {
    name: 'another event name for a page view',
    stored: user,
    calls: [[['track_pageview'], [{ a: 1 }, { event_name: 'Page' }]]],
  },
  {
    name: 'identify of the anonymous',
    stored: anonymous,
    calls: [track, [['identify'], ['42']], track, [['identify'], ['42']]],
  },
  {
    name: 'identify of another user',
    stored: user,
    calls: [[['identify'], ['43']], track],
  },
  {
    name: 'a profile before identify waits for it',
    stored: anonymous,
    calls: [[['people', 'set'], [{ a: 1 }]], [['identify'], ['42']]],
  },
  {
    name: 'sign up',
    stored: anonymous,
    calls: [[['alias'], ['42']], track],
  },
  {
    name: 'super properties',
    stored: { ...user, Plan: 'Free', Kept: 1 },
    calls: [
      [['register'], [{ Plan: 'Pro', Empty: 'None' }]],
      [['register_once'], [{ Plan: 'Team', Empty: 'full', New: 1 }]],
      [['unregister'], ['Kept']],
      track,
      [['track'], ['E', { Plan: 'mine' }]],
    ],
  },
  {
    name: 'groups of an event',
    stored: user,
    calls: [[['track_with_groups'], ['E', { a: 1 }, { company: ['acme', 'other'], team: null }]]],
  },
  {
    name: 'groups of a user',
    stored: user,
    calls: [
      [['identify'], ['42']],
      [['set_group'], ['company', 'acme']],
      track,
      [['add_group'], ['company', 'other']],
      track,
    ],
  },
  {
    name: 'disabled events',
    stored: user,
    calls: [[['disable'], [['E']]], track, [['track'], ['F']]],
  },
  {
    name: 'a stamped event',
    stored: user,
    calls: [
      [['track'], ['E', { $insert_id: 'i', time: 1700000000000, distinct_id: '42', $user_id: '42', $device_id: 'd', mp_lib: 'x' }]],
    ],
  },
  {
    name: 'a profile',
    stored: user,
    calls: [
      [['identify'], ['42']],
      [['people', 'set'], [{ a: 1, $token: 'x', $os: 'mine' }]],
      [['people', 'set'], ['a', 1]],
      [['people', 'set_once'], ['a', 1]],
      [['people', 'set_once'], [{ a: 1 }]],
      [['people', 'unset'], ['a']],
      [['people', 'unset'], [['a', 'b']]],
      [['people', 'increment'], ['a']],
      [['people', 'increment'], ['a', -2.5]],
      [['people', 'increment'], [{ a: 1, b: 'x' }]],
      [['people', 'append'], ['a', 1]],
      [['people', 'append'], [{ a: 1, b: [2] }]],
      [['people', 'remove'], ['a', 1]],
      [['people', 'union'], ['a', 1]],
      [['people', 'union'], [{ a: 1, b: [1, 2] }]],
      [['people', 'clear_charges'], []],
    ],
  },
  {
    name: 'the profile of a group',
    stored: user,
    calls: [
      [['get_group', 'set'], ['company', 'acme', { a: 1 }]],
      [['get_group', 'set'], ['company', 'acme', 'a', 1]],
      [['get_group', 'set_once'], ['company', 'acme', 'a', 1]],
      [['get_group', 'unset'], ['company', 'acme', 'a']],
      [['get_group', 'union'], ['company', 'acme', 'a', [1]]],
      [['get_group', 'remove'], ['company', 'acme', 'a', 1]],
      [['get_group', 'delete'], ['company', 'acme']],
    ],
  },
  {
    name: 'long strings',
    stored: user,
    calls: [[['track'], ['E', { a: ['x'.repeat(300)], b: { c: 'ü'.repeat(256) } }]]],
  },
  { name: 'a robot', stored: user, userAgent: 'Googlebot/2.1', calls: [track, [['identify'], ['42']], [['people', 'set'], ['a', 1]]] },
  ...[
    ['Edge', '', 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.5.1'],
    ['Opera', '', 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36 OPR/105.3.0.0'],
    ['Safari', 'Apple Computer, Inc.', 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.10 Safari/605.1.15'],
    ['iPhone', 'Apple Computer, Inc.', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1'],
    ['a web view on iPad', 'Apple Computer, Inc.', 'Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148'],
    ['Edge on iOS', 'Apple Computer, Inc.', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 EdgiOS/120.0 Mobile/15E148 Safari/604.1'],
    ['Chrome on iOS', 'Apple Computer, Inc.', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/119.0.6045.109 Mobile/15E148 Safari/604.1'],
    ['Firefox on iOS', 'Apple Computer, Inc.', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/120.0 Mobile/15E148 Safari/605.1.15'],
    ['Firefox', '', 'Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0'],
    ['Firefox on Android', '', 'Mozilla/5.0 (Android 13; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0'],
    ['Samsung', 'Google Inc.', 'Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36'],
    ['an old Android', 'Google Inc.', 'Mozilla/5.0 (Linux; U; Android 4.0.3; en-us) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30'],
    ['Internet Explorer', '', 'Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko'],
    ['Chrome OS', 'Google Inc.', 'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36'],
    ['Windows Phone', '', 'Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; Trident/7.0; Touch; rv:11.0; IEMobile/11.0; NOKIA; Lumia 520) like iPhone OS 7_0_3 Mac OS X AppleWebKit/537 (KHTML, like Gecko) Mobile Safari/537'],
    ['curl', '', 'curl/8.5.0'],
  ].map(([name, vendor, userAgent]) => ({ name, vendor, userAgent, stored: user, calls: [track] })),
];

const recorded = [];
for (const scenario of scenarios) recorded.push({ ...scenario, sent: await record(scenario) });
writeFileSync(target, `[\n${recorded.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
process.exit(0);
