// Minimal browser environment for the real mixpanel-js.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

const source = readFileSync(
  createRequire(import.meta.url).resolve('mixpanel-browser/dist/mixpanel.globals.js'),
  'utf8',
);

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';

// Creates the global object of a page. `stored` is the content of mixpanel-js's cookie. Each request is appended
// to `sent` as [endpoint, body].
export function fakeBrowser({ stored, userAgent = CHROME, vendor = 'Google Inc.', url, referrer = '', sent }) {
  const location = new URL(url);
  let jar = stored ? `mp_t_mixpanel=${encodeURIComponent(JSON.stringify(stored))}` : '';
  const storage = () => {
    const items = new Map();
    return {
      getItem: (key) => items.get(key) ?? null,
      setItem: (key, value) => items.set(key, String(value)),
      removeItem: (key) => items.delete(key),
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

// Loads mixpanel-js into the page, with these options in addition to the tests' own.
export function loadMixpanel(window, options) {
  const config = {
    api_payload_format: 'json',
    batch_requests: false,
    track_pageview: false,
    debug: false,
    cross_subdomain_cookie: false,
    ...options,
  };
  const context = vm.createContext(window);
  vm.runInContext(
    `window.mixpanel = []; mixpanel.__SV = 1.2; mixpanel.people = [];
     mixpanel._i = [['t', ${JSON.stringify(config)}, 'mixpanel']];`,
    context,
  );
  vm.runInContext(source, context);
  return context;
}
