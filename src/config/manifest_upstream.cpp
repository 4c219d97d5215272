// `upstream`: servers, and how they are chosen, watched and talked to.

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "config/address.h"
#include "config/manifest_parts.h"
#include "config/values.h"
#include "config/words.h"

namespace ringtime::config {
namespace {

constexpr size_t kServersMax = limits::upstream_servers_max;
constexpr std::string_view kServerForm =
    "expected http://host, http://host:port, http://[v6]:port or unix:/path";

// --- One value into a plain field; errors leave the default ---

template <typename Number>
void number(MapReader& map, std::string_view key, Number& out, Range range) {
    Located<uint64_t> value;
    if (map.number(key, value, range)) out = static_cast<Number>(*value);
}

void duration(MapReader& map, std::string_view key, uint64_t& out, Range range) {
    Located<uint64_t> value;
    if (map.duration(key, value, range)) out = *value;
}

void boolean(MapReader& map, std::string_view key, bool& out) {
    Located<bool> value;
    if (map.boolean(key, value)) out = *value;
}

/// `20%` or `20`.
void percent(MapReader& map, std::string_view key, uint32_t& out) {
    Located<std::string> text;
    if (!map.text(key, text)) return;
    std::string_view digits = *text;
    if (!digits.empty() && digits.back() == '%') digits.remove_suffix(1);
    auto value = parse_unsigned(digits);
    if (value && *value <= 100) {
        out = static_cast<uint32_t>(*value);
        return;
    }
    map.error(text.at, key, fmt::format("{} is not a percentage", quote(*text)),
              "expected 0% to 100%");
}

bool is_token(std::string_view text) noexcept {
    static constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return letter || others.find(c) != std::string_view::npos;
    });
}

// --- Servers ---

bool is_host_name(std::string_view host) noexcept {
    return !host.empty() && host.size() <= 253 && host.front() != '.' && host.front() != '-' &&
           std::all_of(host.begin(), host.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` into `server`.
bool parse_authority(std::string_view text, UpstreamServer& server) {
    std::string_view port;
    if (!text.empty() && text.front() == '[') {
        size_t end = text.find(']');
        if (end == std::string_view::npos) return false;
        auto address = parse_ip(text.substr(1, end - 1));
        if (!address || is_ipv4(*address)) return false;
        server.host = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
        if (text.empty()) return true;
        if (text.front() != ':') return false;
        port = text.substr(1);
    } else {
        size_t colon = text.find(':');
        server.host = text.substr(0, colon);
        if (!is_host_name(server.host)) return false;
        if (colon == std::string_view::npos) return true;
        port = text.substr(colon + 1);
    }
    auto number_of_port = parse_unsigned(port);
    if (!number_of_port || *number_of_port == 0 || *number_of_port > 65535) return false;
    server.port = static_cast<uint16_t>(*number_of_port);
    return true;
}

/// Empty when the url is good, else what to write instead.
std::string parse_server_url(std::string_view url, UpstreamServer& server) {
    auto take_prefix = [&](std::string_view prefix) {
        if (url.substr(0, prefix.size()) != prefix) return false;
        url.remove_prefix(prefix.size());
        return true;
    };
    if (take_prefix("unix:")) {
        server.scheme = UpstreamServer::Scheme::local;
        auto parsed = parse_listen(fmt::format("unix:{}", url));
        if (!parsed || url.front() != '/')
            return "expected unix: and an absolute path below 108 bytes";
        server.path = url;
        return {};
    }
    if (take_prefix("https://")) {
        server.scheme = UpstreamServer::Scheme::https;
        server.port = 443;
    } else if (!take_prefix("http://")) {
        UpstreamServer guess;
        bool lacks_scheme = url.find("//") == std::string_view::npos && parse_authority(url, guess);
        return lacks_scheme ? fmt::format("did you mean \"http://{}\"?", url)
                            : std::string(kServerForm);
    }
    if (!url.empty() && url.back() == '/') url.remove_suffix(1);
    if (url.find('/') != std::string_view::npos) {
        return "a server has no path: what follows the base is what it is asked for";
    }
    if (!parse_authority(url, server)) return std::string(kServerForm);
    return {};
}

void add_server(const FileContext& context, UpstreamServer server, Upstream& upstream) {
    auto report = [&](std::string_view what, std::string remedy) {
        context.diagnostics.error(context.file, server.url.at,
                                  fmt::format("upstream.servers: {} {}", quote(*server.url), what),
                                  std::move(remedy));
    };
    std::string fault = parse_server_url(*server.url, server);
    if (!fault.empty()) return report("is not a server", fault);
    if (server.scheme == UpstreamServer::Scheme::https) {
        return report("needs TLS, which this version does not speak yet",
                      "use http:// inside the same machine or network");
    }
    if (upstream.servers.size() == kServersMax) {
        return report("is one too many", fmt::format("the most is {}", kServersMax));
    }
    for (const UpstreamServer& other : upstream.servers) {
        if (*other.url == *server.url)
            return report("stands here a second time", "use weight instead");
    }
    upstream.servers.push_back(std::move(server));
}

void read_server_map(const FileContext& context, const YamlNode& node, Upstream& upstream) {
    MapReader map(node, "upstream.servers", context);
    UpstreamServer server;
    map.text("url", server.url, Need::required);
    number(map, "weight", server.weight, {1, 1000});
    boolean(map, "backup", server.backup);
    map.finish();
    if (server.url.given()) add_server(context, std::move(server), upstream);
}

void read_servers(const FileContext& context, const YamlNode& node, Upstream& upstream) {
    auto read_one = [&](const YamlNode& item) {
        if (item.kind == YamlNode::Kind::map) return read_server_map(context, item, upstream);
        if (item.kind == YamlNode::Kind::scalar) {
            UpstreamServer server;
            server.url = {item.text, item.at};
            return add_server(context, std::move(server), upstream);
        }
        context.diagnostics.error(
            context.file, item.at,
            fmt::format("upstream.servers: an item is {}", describe(item.kind)),
            "expected a url or {url, weight, backup}");
    };
    size_t errors = context.diagnostics.errors();
    if (node.kind == YamlNode::Kind::sequence) {
        for (const YamlNode& item : node.items) read_one(item);
    } else {
        read_one(node);
    }
    if (!upstream.servers.empty() || context.diagnostics.errors() != errors) {
        bool all_backup = !upstream.servers.empty() &&
                          std::all_of(upstream.servers.begin(), upstream.servers.end(),
                                      [](const UpstreamServer& server) { return server.backup; });
        if (all_backup) {
            context.diagnostics.error(context.file, node.at,
                                      "upstream.servers: every server is a backup",
                                      "one at least must take the ordinary requests");
        }
        return;
    }
    context.diagnostics.error(context.file, node.at, "upstream.servers is empty",
                              std::string(kServerForm));
}

// --- Choosing ---

void read_balance(MapReader& map, Upstream& upstream) {
    static constexpr std::array<std::string_view, 6> words{
        "least-inflight", "round-robin", "random-two", "hash:ip", "hash:header:X", "hash:cookie:X"};
    Located<std::string> text;
    if (!map.text("balance", text)) return;
    static constexpr std::string_view by_header = "hash:header:";
    static constexpr std::string_view by_cookie = "hash:cookie:";
    bool header = text->compare(0, by_header.size(), by_header) == 0;
    bool cookie = text->compare(0, by_cookie.size(), by_cookie) == 0;
    if (header || cookie) {
        upstream.balance = Balance::hash;
        upstream.hash_by = header ? HashBy::header : HashBy::cookie;
        upstream.hash_name = text->substr(by_header.size());
        if (is_token(upstream.hash_name)) return;
        map.error(text.at, "balance",
                  fmt::format("{} names no {}", quote(*text), header ? "header" : "cookie"));
        return;
    }
    auto index = check_choice(map.context(), {map.label("balance"), *text, text.at}, words);
    if (index) upstream.balance = static_cast<Balance>(std::min<size_t>(*index, 3));
}
static_assert(static_cast<int>(Balance::hash) == 3, "the order of the words in read_balance");

void read_statuses(MapReader& map, std::string_view key, std::vector<uint16_t>& out) {
    std::vector<Located<std::string>> texts;
    if (!map.texts(key, texts)) return;
    out.clear();
    for (const auto& text : texts) {
        auto status = check_unsigned(map.context(), {map.label(key), *text, text.at}, {100, 599});
        if (status) out.push_back(static_cast<uint16_t>(*status));
    }
}

// --- Watching ---

void read_health(MapReader& map, Upstream& upstream) {
    const YamlNode* node = map.take("health");
    if (!node) return;
    HealthCheck& health = upstream.health;
    Position path_at = node->at;
    if (node->kind == YamlNode::Kind::scalar) {
        if (node->text == "false" && !node->quoted) return;
        health.path = node->text;
        health.enabled = true;
    } else {
        MapReader inner(*node, "upstream.health", map.context());
        Located<std::string> path;
        if (inner.text("path", path)) {
            health.path = *path;
            path_at = path.at;
        }
        health.enabled = true;
        read_statuses(inner, "status", health.statuses);
        duration(inner, "interval", health.interval_ms, {100, kDayMs});
        duration(inner, "timeout", health.timeout_ms, {10, kHourMs});
        number(inner, "rise", health.rise, {1, 1000});
        number(inner, "fall", health.fall, {1, 1000});
        inner.finish();
    }
    bool sendable = !health.path.empty() && health.path.front() == '/' &&
                    std::all_of(health.path.begin(), health.path.end(),
                                [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
    if (sendable) return;
    map.error(path_at, "health", fmt::format("{} is not a path", quote(health.path)),
              "expected a path that begins with /, such as /healthz");
}

void read_passive(MapReader& map, PassiveHealth& passive) {
    const YamlNode* node = map.take("passive");
    if (!node) return;
    if (node->kind == YamlNode::Kind::scalar) return boolean(map, "passive", passive.enabled);
    MapReader inner(*node, "upstream.passive", map.context());
    number(inner, "failures", passive.failures, {1, 100'000});
    percent(inner, "success", passive.success_percent);
    duration(inner, "window", passive.window_ms, {1000, kHourMs});
    duration(inner, "ejection", passive.ejection_ms, {100, kHourMs});
    percent(inner, "ejectedMax", passive.ejected_percent_max);
    inner.finish();
}

void read_retry_causes(MapReader& map, Retries& retries) {
    static constexpr std::array<std::string_view, 7> causes{"connect", "reset", "500", "502",
                                                            "503",     "504",   "429"};
    static constexpr std::array<uint16_t, 7> statuses{0, 0, 500, 502, 503, 504, 429};
    std::vector<Located<std::string>> texts;
    if (!map.texts("on", texts)) return;
    retries.on_connect = retries.on_reset = false;
    retries.statuses.clear();
    for (const auto& text : texts) {
        auto index = check_choice(map.context(), {map.label("on"), *text, text.at}, causes);
        if (!index) continue;
        if (*index == 0) {
            retries.on_connect = true;
        } else if (*index == 1) {
            retries.on_reset = true;
        } else {
            retries.statuses.push_back(statuses[*index]);
        }
    }
}

void read_retries(MapReader& map, Retries& retries) {
    const YamlNode* node = map.take("retries");
    if (!node) return;
    constexpr Range most{0, limits::upstream_retries_max};
    if (node->kind == YamlNode::Kind::scalar) return number(map, "retries", retries.max, most);
    MapReader inner(*node, "upstream.retries", map.context());
    number(inner, "max", retries.max, most);
    read_retry_causes(inner, retries);
    percent(inner, "budget", retries.budget_percent);
    Located<uint64_t> body;
    if (inner.size("maxBodySize", body, {0, limits::replay_bytes_max}))
        retries.body_bytes_max = *body;
    inner.finish();
}

// --- Bounds ---

void read_bounds(MapReader& map, Upstream& upstream) {
    if (const YamlNode* node = map.take("timeouts")) {
        MapReader inner(*node, "upstream.timeouts", map.context());
        duration(inner, "connect", upstream.timeouts.connect_ms, {1, kHourMs});
        duration(inner, "head", upstream.timeouts.head_ms, {1, kDayMs});
        duration(inner, "idle", upstream.timeouts.idle_ms, {1, kDayMs});
        duration(inner, "total", upstream.timeouts.total_ms, {0, kDayMs});
        duration(inner, "keepAlive", upstream.timeouts.keep_alive_ms, {0, kDayMs});
        inner.finish();
    }
    if (const YamlNode* node = map.take("connections")) {
        MapReader inner(*node, "upstream.connections", map.context());
        number(inner, "max", upstream.connections.max, {0, 1'000'000});
        number(inner, "idle", upstream.connections.idle, {0, 65'536});
        inner.finish();
    }
    if (const YamlNode* node = map.take("queue")) {
        MapReader inner(*node, "upstream.queue", map.context());
        number(inner, "max", upstream.queue.max, {0, 1'000'000});
        duration(inner, "timeout", upstream.queue.timeout_ms, {1, kHourMs});
        inner.finish();
    }
}

// --- Headers ---

/// Framing and connection control belong to the gateway; an edit of them would desynchronise peers.
bool is_reserved_header(std::string_view name) {
    static constexpr std::array<std::string_view, 9> reserved{
        "connection", "content-length", "transfer-encoding", "te",  "trailer",
        "upgrade",    "keep-alive",     "proxy-connection",  "host"};
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return std::find(reserved.begin(), reserved.end(), lower) != reserved.end();
}

bool check_header_name(const MapReader& map, std::string_view key, const YamlNode& name) {
    if (!is_token(name.text)) {
        map.error(name.at, key, fmt::format("{} is not a header's name", quote(name.text)));
        return false;
    }
    if (!is_reserved_header(name.text)) return true;
    map.error(name.at, key, fmt::format("{} cannot be edited", quote(name.text)),
              "the gateway writes it itself; see host: rewrite for Host");
    return false;
}

void read_header_lines(MapReader& map, std::string_view key, std::vector<HeaderLine>& out) {
    const YamlNode* node = map.take(key);
    if (!node) return;
    MapReader inner(*node, map.label(key), map.context());
    for (const MapReader::Rest& pair : inner.rest()) {
        if (!check_header_name(map, key, *pair.key)) continue;
        const std::string& value = pair.value->text;
        // RFC 9110 §5.5: no control bytes; a line end here would be a header of its own.
        bool sendable =
            pair.value->kind == YamlNode::Kind::scalar &&
            std::all_of(value.begin(), value.end(), [](char c) {
                return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
            });
        if (sendable) {
            out.emplace_back(pair.key->text, value);
        } else {
            map.error(pair.value->at, key, fmt::format("{} is not a header's value", quote(value)),
                      "expected one line of text");
        }
    }
}

void read_headers(MapReader& map, std::string_view key, HeaderEdits& out) {
    const YamlNode* node = map.take(key);
    if (!node) return;
    MapReader inner(*node, map.label(key), map.context());
    read_header_lines(inner, "set", out.set);
    read_header_lines(inner, "add", out.add);
    if (out.set.size() + out.add.size() > limits::upstream_edits_max)
        map.error(node->at, key,
                  fmt::format("more than {} headers to set and add", limits::upstream_edits_max));
    std::vector<Located<std::string>> names;
    inner.texts("remove", names);
    for (const auto& name : names) {
        YamlNode node_of_name{YamlNode::Kind::scalar, false, name.at, *name, {}};
        if (check_header_name(inner, "remove", node_of_name)) out.remove.push_back(*name);
    }
    inner.finish();
}

// --- The rest ---

void read_sticky(MapReader& map, Upstream& upstream) {
    const YamlNode* node = map.take("sticky");
    if (!node) return;
    Located<std::string> cookie{node->text, node->at};
    if (node->kind != YamlNode::Kind::scalar) {
        MapReader inner(*node, "upstream.sticky", map.context());
        inner.text("cookie", cookie, Need::required);
        inner.finish();
    }
    upstream.sticky_cookie = *cookie;
    if (!cookie->empty() && !is_token(*cookie)) {
        map.error(cookie.at, "sticky", fmt::format("{} is not a cookie's name", quote(*cookie)));
    }
}

void read_tls(MapReader& map, UpstreamTls& tls) {
    const YamlNode* node = map.take("tls");
    if (!node) return;
    MapReader inner(*node, "upstream.tls", map.context());
    Located<std::string> text;
    boolean(inner, "verify", tls.verify);
    if (inner.text("ca", text)) tls.ca_file = *text;
    if (inner.text("serverName", text)) tls.server_name = *text;
    inner.finish();
}

void read_manners(MapReader& map, Upstream& upstream) {
    static constexpr std::array<std::pair<std::string_view, HostHeader>, 2> hosts{
        {{"keep", HostHeader::keep}, {"rewrite", HostHeader::rewrite}}};
    static constexpr std::array<std::pair<std::string_view, ProxyProtocol>, 3> versions{
        {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}};
    Located<HostHeader> host;
    Located<ProxyProtocol> proxy;
    if (map.choice("host", host, hosts)) upstream.host = *host;
    if (map.choice("proxyProtocol", proxy, versions)) upstream.proxy_protocol = *proxy;
    boolean(map, "strip", upstream.strip);
    boolean(map, "websocket", upstream.websocket);
    boolean(map, "rewriteLocation", upstream.rewrite_location);
    duration(map, "slowStart", upstream.slow_start_ms, {0, kHourMs});
    percent(map, "panic", upstream.panic_percent);
}

}  // namespace

void read_upstream(MapReader& map, Manifest& manifest) {
    const YamlNode* node = map.take("upstream");
    if (!node) return;
    auto upstream = std::make_unique<Upstream>();
    upstream->at = map.key_position("upstream");
    if (node->kind != YamlNode::Kind::map) {
        read_servers(map.context(), *node, *upstream);
        manifest.upstream = std::move(upstream);
        return;
    }
    MapReader inner(*node, "upstream", map.context());
    if (const YamlNode* servers = inner.take("servers", Need::required)) {
        read_servers(map.context(), *servers, *upstream);
    }
    read_balance(inner, *upstream);
    read_health(inner, *upstream);
    read_passive(inner, upstream->passive);
    read_retries(inner, upstream->retries);
    read_bounds(inner, *upstream);
    read_headers(inner, "headers", upstream->request_headers);
    read_headers(inner, "responseHeaders", upstream->response_headers);
    read_sticky(inner, *upstream);
    read_tls(inner, upstream->tls);
    read_manners(inner, *upstream);
    inner.finish();
    manifest.upstream = std::move(upstream);
}

}  // namespace ringtime::config
