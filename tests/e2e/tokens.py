"""Public keys, and tokens of the issuer https://id.example for the audience shop that they check.

The private halves are gone; the tokens end in the year 2100.
"""

KEYS = {
    "old": {
        "kty": "EC",
        "crv": "P-256",
        "kid": "old",
        "x": "B1y3MDNUde0zKbxMmuqLp1-KQHX2grObW5u7uD4BfgM",
        "y": "pVB3P9SYnOtQPQPC_a9C8dQfV1AbVF8QUhZWMHXCSCY",
    },
    "new": {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "new",
        "x": "qxO3ljxEfTqHOVCpYOpS4LVtB3eYHIohIMV2dAq4N8E",
    },
    "rsa": {
        "kty": "RSA",
        "kid": "rsa",
        "use": "sig",
        "alg": "RS256",
        "n": "pjF_YsIXYlqsTTIP1r1AOExbri8BsVx5ssTPHoOmia53-EjdkPPx0Pbw-whUYX5Fkut2FBloWheoDHmB"
             "aUMi63gZ_unJDgzroQ-tP5__LptItIr3QYqdF1WnjaBWFwqRcFfW8bmNm2Zy1Rh4gav141akJSrEEOYF"
             "3rkWmnR3MK95bmOXPvlekLYKVRUnvFR13-cLYpp28XTxvDTme_w8Ak34jIMpNhVbnnqPq5i5phaiJAk7"
             "iHd54Cs_rnxnwfj4gqJ5alacVHs5IWBScFqQDy9uO-lILA_T9_w321omBfAWidaqkNG8yv7Y77-4G16x"
             "0q-U3yhe1lN77O5IR9UYbw",
        "e": "AQAB",
    },
}

TOKENS = {
    "old": "eyJhbGciOiJFUzI1NiIsImtpZCI6Im9sZCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQ"
           "iOiJzaG9wIiwic3ViIjoiYWxpY2UiLCJleHAiOjQxMDI0NDQ4MDAsInJvbGVzIjpbImVkaXRvciJdfQ."
           "lvWsGcFwrht6aLDafjblbwHfEIR75kPMBro_uMHOGTPsdC0RUbAjMJNsmLtrSlZ2KJFerDIrU0D4U27a"
           "cCbtaQ",
    "new": "eyJhbGciOiJFZERTQSIsImtpZCI6Im5ldyJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQ"
           "iOiJzaG9wIiwic3ViIjoiYWxpY2UiLCJleHAiOjQxMDI0NDQ4MDAsInJvbGVzIjpbImVkaXRvciJdfQ."
           "G6vUgdOPJP0G7GDbo3KWIxobKk_vjlvQlIgv6PzyXgYoS2EzteK-3BzSkHNvlNOrE5Og9dCgqVfeYGJ6"
           "WKSsCA",
    "rsa": "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQ"
           "iOiJzaG9wIiwic3ViIjoiYm9iIFx1MDBlOSIsImV4cCI6NDEwMjQ0NDgwMCwicm9sZXMiOlsiYWRtaW4"
           "iLCJhLGIiXX0.cDq1BatbQLhLzGR4jPOp-Ed2NHZC2Y6tqmMWdeyiNszSCSgchFffJCfSGtWsfEqTJ15"
           "0dV_pPyMiDf-mQganh_pwpYE1Gc5PIK3NTjisLH_h7JNcCXK5vD4y_MDDOIz18GTlSifa0BuZVxNSjFY"
           "gUP9li7qgr7GLuigIkXND7cB1ZrzJ69TMLXBDTL0E5nK4OQ9gwHyHSoh4cldtq9cvbVdAuyjED0Y5YmE"
           "3-PufiDtLO_beKE4OP4NqdfFRzH5x0KJzvNq2FYORhOD3T1HzSDIaWE8ojeK-5HInX2FujeB55Exk2lo"
           "--_tgvgBJ9GRn0jNOtI4muCZROp3VzVjKgA",
}
