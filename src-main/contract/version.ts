// The version of the app.

export const appVersion = '0.1.0';
