/**
 * Hands over a mixpanel-js that the application loaded and initialised itself: what the page was
 * given to run runs now, and requests to this origin carry calls back.
 *
 * Only needed where Mengpaneel was built with `loader(Never)`.
 *
 * @param mixpanel an initialised mixpanel-js
 * @param name the name of a second Mengpaneel
 */
export declare function start(mixpanel: object, name?: string): void;
