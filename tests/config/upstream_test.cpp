// `upstream:` of a manifest.

#include "support.h"

namespace ringtime::config {
namespace {

/// Messages of an upstream in flow style, behind `m.yaml:3:`; the map begins at column 11.
Lines faults(std::string_view upstream) {
    Lines lines = read_messages("name: x\nbase: /x\nupstream: " + std::string(upstream) + "\n");
    for (std::string& line : lines) {
        constexpr std::string_view prefix = "m.yaml:3:";
        if (line.compare(0, prefix.size(), prefix) == 0) line.erase(0, prefix.size());
    }
    return lines;
}

Upstream good(std::string_view upstream) {
    auto result = read("name: x\nbase: /x\nupstream: " + std::string(upstream) + "\n");
    EXPECT_EQ(messages(result.diagnostics), Lines{}) << upstream;
    return result.manifest.upstream ? std::move(*result.manifest.upstream) : Upstream{};
}

// tidy: allow(function-length) a table of rows
TEST(Upstream, a_full_one_is_read) {
    Upstream upstream = good(R"(
  servers:
    - http://10.0.0.1
    - {url: "http://[::1]:9001/", weight: 3}
    - {url: "unix:/run/api.sock", backup: true}
  balance: hash:header:X-User
  health: {path: "/healthz?full=1", status: [200, 204],
           interval: 1s, timeout: 500ms, rise: 1, fall: 2}
  passive: {failures: 3, success: 90%, window: 10s, ejection: 1m, ejectedMax: 30}
  retries: {max: 2, on: [connect, 503], budget: 10%, maxBodySize: 1mb}
  timeouts: {connect: 1s, head: 10s, idle: 20s, total: 5m, keepAlive: 90s}
  connections: {max: 100, idle: 8}
  queue: {max: 5, timeout: 2s}
  host: rewrite
  strip: false
  websocket: false
  rewriteLocation: false
  headers: {set: {X-A: "1"}, add: {X-B: two words}, remove: [Cookie]}
  responseHeaders: {remove: server}
  sticky: {cookie: route}
  slowStart: 30s
  panic: 20%
  proxyProtocol: v2)");
    ASSERT_EQ(upstream.servers.size(), 3u);
    EXPECT_EQ(upstream.servers[0].host, "10.0.0.1");
    EXPECT_EQ(upstream.servers[0].port, 80);
    EXPECT_EQ(upstream.servers[0].url.at, (Position{5, 7}));
    EXPECT_EQ(upstream.servers[1].host, "::1");
    EXPECT_EQ(upstream.servers[1].port, 9001);
    EXPECT_EQ(upstream.servers[1].weight, 3u);
    EXPECT_EQ(upstream.servers[2].scheme, UpstreamServer::Scheme::local);
    EXPECT_EQ(upstream.servers[2].path, "/run/api.sock");
    EXPECT_TRUE(upstream.servers[2].backup);
    EXPECT_EQ(upstream.balance, Balance::hash);
    EXPECT_EQ(upstream.hash_by, HashBy::header);
    EXPECT_EQ(upstream.hash_name, "X-User");
    EXPECT_TRUE(upstream.health.enabled);
    EXPECT_EQ(upstream.health.path, "/healthz?full=1");
    EXPECT_EQ(upstream.health.statuses, (std::vector<uint16_t>{200, 204}));
    EXPECT_EQ(upstream.health.interval_ms, 1000u);
    EXPECT_EQ(upstream.health.timeout_ms, 500u);
    EXPECT_EQ(upstream.health.rise, 1u);
    EXPECT_EQ(upstream.health.fall, 2u);
    EXPECT_EQ(upstream.passive.failures, 3u);
    EXPECT_EQ(upstream.passive.success_percent, 90u);
    EXPECT_EQ(upstream.passive.ejected_percent_max, 30u);
    EXPECT_EQ(upstream.retries.max, 2u);
    EXPECT_TRUE(upstream.retries.on_connect);
    EXPECT_FALSE(upstream.retries.on_reset);
    EXPECT_EQ(upstream.retries.statuses, std::vector<uint16_t>{503});
    EXPECT_EQ(upstream.retries.budget_percent, 10u);
    EXPECT_EQ(upstream.retries.body_bytes_max, 1u << 20);
    EXPECT_EQ(upstream.timeouts.connect_ms, 1000u);
    EXPECT_EQ(upstream.timeouts.head_ms, 10'000u);
    EXPECT_EQ(upstream.timeouts.idle_ms, 20'000u);
    EXPECT_EQ(upstream.timeouts.total_ms, 300'000u);
    EXPECT_EQ(upstream.timeouts.keep_alive_ms, 90'000u);
    EXPECT_EQ(upstream.connections.max, 100u);
    EXPECT_EQ(upstream.connections.idle, 8u);
    EXPECT_EQ(upstream.queue.max, 5u);
    EXPECT_EQ(upstream.queue.timeout_ms, 2000u);
    EXPECT_EQ(upstream.host, HostHeader::rewrite);
    EXPECT_FALSE(upstream.strip);
    EXPECT_FALSE(upstream.websocket);
    EXPECT_FALSE(upstream.rewrite_location);
    EXPECT_EQ(upstream.request_headers.set, (std::vector<HeaderLine>{{"X-A", "1"}}));
    EXPECT_EQ(upstream.request_headers.add, (std::vector<HeaderLine>{{"X-B", "two words"}}));
    EXPECT_EQ(upstream.request_headers.remove, Lines{"Cookie"});
    EXPECT_EQ(upstream.response_headers.remove, Lines{"server"});
    EXPECT_EQ(upstream.sticky_cookie, "route");
    EXPECT_EQ(upstream.slow_start_ms, 30'000u);
    EXPECT_EQ(upstream.panic_percent, 20u);
    EXPECT_EQ(upstream.proxy_protocol, ProxyProtocol::v2);
}

TEST(Upstream, defaults_are_those_documented) {
    Upstream upstream = good("http://backend");
    EXPECT_EQ(upstream.servers[0].host, "backend");
    EXPECT_EQ(upstream.balance, Balance::least_inflight);
    EXPECT_FALSE(upstream.health.enabled);
    EXPECT_EQ(upstream.health.interval_ms, 5000u);
    EXPECT_EQ(upstream.health.timeout_ms, 2000u);
    EXPECT_EQ(upstream.health.rise, 2u);
    EXPECT_EQ(upstream.health.fall, 3u);
    EXPECT_TRUE(upstream.passive.enabled);
    EXPECT_EQ(upstream.retries.max, 1u);
    EXPECT_TRUE(upstream.retries.on_connect && upstream.retries.on_reset);
    EXPECT_EQ(upstream.retries.statuses, (std::vector<uint16_t>{502, 503, 504}));
    EXPECT_EQ(upstream.retries.budget_percent, 20u);
    EXPECT_EQ(upstream.timeouts.connect_ms, 3000u);
    EXPECT_EQ(upstream.timeouts.head_ms, 60'000u);
    EXPECT_EQ(upstream.timeouts.idle_ms, 60'000u);
    EXPECT_EQ(upstream.connections.idle, 64u);
    EXPECT_EQ(upstream.host, HostHeader::keep);
    EXPECT_TRUE(upstream.strip);
    EXPECT_TRUE(upstream.websocket);
}

TEST(Upstream, short_forms_are_accepted) {
    EXPECT_EQ(good("[http://a, http://b:81]").servers.size(), 2u);
    EXPECT_EQ(good("{servers: http://a}").servers.size(), 1u);
    EXPECT_TRUE(good("{servers: http://a, health: /ok}").health.enabled);
    EXPECT_FALSE(good("{servers: http://a, health: false}").health.enabled);
    EXPECT_FALSE(good("{servers: http://a, passive: false}").passive.enabled);
    EXPECT_EQ(good("{servers: http://a, retries: 0}").retries.max, 0u);
    EXPECT_EQ(good("{servers: http://a, sticky: sid}").sticky_cookie, "sid");
    EXPECT_EQ(good("{servers: http://a, balance: 'hash:ip'}").hash_by, HashBy::ip);
    EXPECT_EQ(good("{servers: http://a, balance: round-robin}").balance, Balance::round_robin);
    EXPECT_EQ(good("{servers: http://a, balance: random-two}").balance, Balance::random_two);
    EXPECT_EQ(good("{servers: http://a, balance: 'hash:cookie:sid'}").hash_by, HashBy::cookie);
}

// tidy: allow(function-length) a table of rows
TEST(Upstream, wrong_ones_are_told_where_they_stand) {
    struct Row {
        std::string_view upstream, expected;
    };
    constexpr std::string_view form =
        "expected http://host, http://host:port, http://[v6]:port or unix:/path";
    std::string server = "is not a server; " + std::string(form);
    auto with = [](std::string_view field) {
        return "{servers: http://a, " + std::string(field) + "}";
    };
    const std::pair<std::string, std::string> rows[] = {
        {"{balance: round-robin}", "11: error: upstream.servers is missing"},
        {"{servers: []}", "21: error: upstream.servers is empty; " + std::string(form)},
        {"127.0.0.1:9000",
         "11: error: upstream.servers: \"127.0.0.1:9000\" is not a server; did you mean "
         "\"http://127.0.0.1:9000\"?"},
        {"http://", "11: error: upstream.servers: \"http://\" " + server},
        {"http://a:0", "11: error: upstream.servers: \"http://a:0\" " + server},
        {"http://a:99999", "11: error: upstream.servers: \"http://a:99999\" " + server},
        {"http://user@a", "11: error: upstream.servers: \"http://user@a\" " + server},
        {"http://[::1", "11: error: upstream.servers: \"http://[::1\" " + server},
        {"http://[127.0.0.1]", "11: error: upstream.servers: \"http://[127.0.0.1]\" " + server},
        {"ftp://a", "11: error: upstream.servers: \"ftp://a\" " + server},
        {"http://a/v1",
         "11: error: upstream.servers: \"http://a/v1\" is not a server; a server has no path: what "
         "follows "
         "the base is what it is asked for"},
        {"unix:run/x.sock",
         "11: error: upstream.servers: \"unix:run/x.sock\" is not a server; expected unix: and an "
         "absolute "
         "path below 108 bytes"},
        {"https://a",
         "11: error: upstream.servers: \"https://a\" needs TLS, which this version does not speak "
         "yet; use "
         "http:// inside the same machine or network"},
        {"[http://a, http://a]",
         "22: error: upstream.servers: \"http://a\" stands here a second time; use weight instead"},
        {"[{url: http://a, backup: true}]",
         "11: error: upstream.servers: every server is a backup; one at least must take the "
         "ordinary "
         "requests"},
        {"[[http://a]]",
         "12: error: upstream.servers: an item is a list; expected a url or {url, weight, backup}"},
        {"[{weight: 2}]", "12: error: upstream.servers.url is missing"},
        {"[{url: http://a, weight: 0}]",
         "36: error: upstream.servers.weight: \"0\" is too small; the least is 1"},
        {with("balance: least-inflght"),
         "40: error: upstream.balance: \"least-inflght\" is unknown; expected least-inflight, "
         "round-robin, "
         "random-two, hash:ip, hash:header:X or hash:cookie:X; did you mean \"least-inflight\"?"},
        {with("balance: 'hash:header:'"),
         "40: error: upstream.balance: \"hash:header:\" names no header"},
        {with("health: healthz"),
         "39: error: upstream.health: \"healthz\" is not a path; expected a path that begins with "
         "/, such as "
         "/healthz"},
        {with("health: {interval: 5x}"),
         "50: error: upstream.health.interval: \"5x\" is not a duration; write seconds (30) or a "
         "number with a "
         "unit (250ms, 30s, 5m, 1h)"},
        {with("health: {intervall: 5s}"),
         "40: error: unknown key \"upstream.health.intervall\"; did you mean \"interval\"?"},
        {with("retries: {on: [conect]}"),
         "46: error: upstream.retries.on: \"conect\" is unknown; expected connect, reset, 500, "
         "502, 503, 504 or "
         "429; did you mean \"connect\"?"},
        {with("retries: {budget: 120%}"),
         "49: error: upstream.retries.budget: \"120%\" is not a percentage; expected 0% to 100%"},
        {with("host: rewirte"),
         "37: error: upstream.host: \"rewirte\" is unknown; expected keep or rewrite; did you mean "
         "\"rewrite\"?"},
        {with("headers: {set: {Content-Length: 5}}"),
         "47: error: upstream.headers.set: \"Content-Length\" cannot be edited; the gateway writes "
         "it itself; "
         "see host: rewrite for Host"},
        {with("headers: {set: {'a b': 5}}"),
         "47: error: upstream.headers.set: \"a b\" is not a header's name"},
        {with("headers: {set: {a: \"b\\r\\nc: d\"}}"),
         "50: error: upstream.headers.set: \"b\\r\\nc: d\" is not a header's value; expected one "
         "line of text"},
        {with("headers: {remove: [Transfer-Encoding]}"),
         "50: error: upstream.headers.remove: \"Transfer-Encoding\" cannot be edited; the gateway "
         "writes it "
         "itself; see host: rewrite for Host"},
        {with("sticky: 'a b'"), "39: error: upstream.sticky: \"a b\" is not a cookie's name"},
        {with("timeout: 5s"),
         "31: error: unknown key \"upstream.timeout\"; did you mean \"timeouts\"?"},
    };
    for (const auto& [upstream, expected] : rows) {
        EXPECT_EQ(faults(upstream), Lines{expected}) << upstream;
    }
}

}  // namespace
}  // namespace ringtime::config
