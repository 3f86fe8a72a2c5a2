/*
 * One certificate that is its own authority, for 127.0.0.1 and receiver.test, until 2126; and its key. Made with:
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj '/CN=Meterline tests'
 *   -addext 'subjectAltName=IP:127.0.0.1,DNS:receiver.test' -addext 'basicConstraints=critical,CA:TRUE'
 */
export const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBqjCCAVGgAwIBAgIUV+T675Ya980/Bn2Lh9890w4QfLwwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPTWV0ZXJsaW5lIHRlc3RzMCAXDTI2MTEyMTE3MDAxOFoYDzIx
MjYxMDI4MTcwMDE4WjAaMRgwFgYDVQQDDA9NZXRlcmxpbmUgdGVzdHMwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAQueAufObZGGwQSvNwlKxAZajQiK7aEK1tRCWKF
xSqx1eB7znk6Af/AxiJzlQ3uzgxWrb/ESYxeVNTGiGVXUqrfo3MwcTAdBgNVHQ4E
FgQUwFofsIdwkkBZ4krDYp+/3z19mqIwHwYDVR0jBBgwFoAUwFofsIdwkkBZ4krD
Yp+/3z19mqIwHgYDVR0RBBcwFYcEfwAAAYINcmVjZWl2ZXIudGVzdDAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIEO87aVi3KfqCjE7qumymaUxmDOg
23pprYy+q3JQGSIxAiBu3Z8QUtvd2L1HTMMQhYQA5DkpkfHzXg37nevMEoXg2Q==
-----END CERTIFICATE-----
`;

/** Protects nothing. */
export const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0rsQwHkg/5SfKomE
4M3j9FIQOFPbabfl5fTbbYZ3lHmhRANCAAQueAufObZGGwQSvNwlKxAZajQiK7aE
K1tRCWKFxSqx1eB7znk6Af/AxiJzlQ3uzgxWrb/ESYxeVNTGiGVXUqrf
-----END PRIVATE KEY-----
`;
