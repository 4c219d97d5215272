// Whatever bytes a manifest holds, reading it ends soon with a manifest or with messages.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <random>

#include "support.h"

namespace ringtime::config {
namespace {

constexpr std::array<std::string_view, 5> kCorpus{
    R"(name: "@acme/plugin-shop"
version: 1.2.3
base: /shop
hosts: [shop.example.com, "*.example.com"]
entrypoint: dist/index.html
pluginEntry: dist/plugin.so
dependencies:
  - "@acme/plugin-database"
publicRoutes:
  ALL: ["/shop/health"]
  GET: ["/shop/public/**"]
menus:
  - icon: lucide:box
    path: /shop
config:
  apiKey: {type: password, label: API Key, env: SHOP_API_KEY, required: false}
  retries: {type: integer, default: 3, min: 0, max: 10}
retries: 4
env: {MY_VAR: value, OTHER: '1'}
)",
    R"(name: shop
timeout: 30s
ttl: 1h
idleTimeout: 5m
maxRequests: 1000
workers: auto
maxBodySize: 10mb
sandbox: {read: [/usr/share/zoneinfo], memory: 512mb, cpu: 1.5}
hooks: {paths: ["/a/**"], except: ["/a/b"]}
onFailure: isolate
)",
    R"(name: api
base: /api/v1
upstream:
  servers:
    - http://127.0.0.1:9000
    - {url: "http://[::1]:9001", weight: 3}
    - {url: "unix:/run/api.sock", backup: true}
  balance: hash:cookie:session
  health: {path: /healthz, interval: 5s, timeout: 2s, rise: 2, fall: 3}
  retries: {max: 1, on: [connect, reset, 502], budget: 20%}
  timeouts: {connect: 3s, head: 60s, idle: 60s}
  headers: {set: {x-a: b}, remove: [x-c]}
)",
    "a: &x [1, 2, {b: c}]\nd: *x\ne: |\n  block\n  text\nf: >-\n  folded\n",
    "? complex\n: value\n--- \n- \"quoted \\u00e9 \\x41\"\n- 'it''s'\n# comment\n",
};

/// Reads `text` as each kind of manifest; the messages must point into it.
void read_everywhere(std::string_view text) {
    size_t lines = 2 + static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) +
                   static_cast<size_t>(std::count(text.begin(), text.end(), '\r'));
    for (ManifestPlace place :
         {ManifestPlace::plugin_folder, ManifestPlace::app_folder, ManifestPlace::runtime_config}) {
        ReadResult result = read(text, place);
        for (const Diagnostic& diagnostic : result.diagnostics.list()) {
            ASSERT_LE(diagnostic.line, lines) << render(diagnostic) << "\n" << text;
            ASSERT_EQ(render(diagnostic).find('\n'), std::string::npos) << render(diagnostic);
        }
    }
}

void mutate(std::string& text, std::mt19937_64& random) {
    static constexpr std::string_view specials =
        "[]{}:,-?&*!|>'\"%@`# \n\t\r\0\\~<=0aZ\xff\xc3\xe2";
    auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
    switch (random() % 6) {
        case 0:
            text[below(text.size())] = specials[below(specials.size())];
            break;
        case 1:
            text.insert(below(text.size()), 1, specials[below(specials.size())]);
            break;
        case 2:
            text.erase(below(text.size()), 1 + below(8));
            break;
        case 3: {
            std::string piece = text.substr(below(text.size()), below(40));
            text.insert(below(text.size()), piece);
            break;
        }
        case 4:
            text.resize(below(text.size()));
            break;
        case 5:
            text[below(text.size())] ^= static_cast<char>(1u << below(8));
            break;
    }
    if (text.empty()) text = "a";
}

TEST(Robustness, mutated_manifests_end_in_messages) {
    uint64_t seed = 20'26'11'21;
    if (const char* given = std::getenv("RINGTIME_TEST_SEED"))
        seed = std::strtoull(given, nullptr, 10);
    size_t rounds = 4000;
    if (const char* given = std::getenv("RINGTIME_TEST_ROUNDS"))
        rounds = std::strtoull(given, nullptr, 10);
    std::mt19937_64 random(seed);
    for (size_t round = 0; round < rounds; ++round) {
        std::string text(kCorpus[random() % kCorpus.size()]);
        for (size_t count = 1 + random() % 6; count > 0; --count) mutate(text, random);
        SCOPED_TRACE(testing::Message() << "seed=" << seed << " round=" << round);
        read_everywhere(text);
        if (testing::Test::HasFatalFailure()) return;
    }
}

struct Bomb {
    std::string_view name;
    std::string text;
};

std::string repeated(std::string_view piece, size_t bytes) {
    std::string text;
    while (text.size() + piece.size() <= bytes) text += piece;
    return text;
}

std::string indented_maps(size_t bytes) {
    std::string text;
    for (size_t depth = 0; text.size() < bytes; ++depth) text += std::string(depth, ' ') + "a:\n";
    return text;
}

std::string billion_laughs() {
    std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 30; ++i) {
        text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int j = 0; j < 10; ++j) text += (j ? ", *a" : "*a") + std::to_string(i - 1);
        text += "]\n";
    }
    return text;
}

std::string many_keys(size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += "key" + std::to_string(i) + ": 1\n";
    return text;
}

TEST(Robustness, files_made_to_be_slow_are_refused_in_time) {
    constexpr size_t full = (1u << 20) - 16;
    const Bomb bombs[] = {
        {"brackets", repeated("[", full)},
        {"braces", repeated("{", full)},
        {"brackets closed", repeated("[]", full)},
        {"map in brackets", repeated("[a: ", full)},
        {"dashes", repeated("- ", full)},
        {"dashes on lines", repeated("-\n", full)},
        {"questions", repeated("? ", full)},
        {"question lines", repeated("?\n", full)},
        {"colons", repeated("a: ", full)},
        {"colon lines", repeated(":\n", full)},
        {"commas", "a: [" + repeated(",", full - 10)},
        {"items", "a: [" + repeated("b,", full - 10) + "]"},
        {"hosts", "name: x\nhosts: [" + repeated("b,", full - 40) + "]"},
        {"one key", repeated("k", full)},
        {"quote", "a: \"" + repeated("\\", full)},
        {"open quote", "a: '" + repeated("x\n ", full)},
        {"anchors", repeated("&a ", full)},
        {"tags", repeated("!a ", full)},
        {"bangs", repeated("!", full)},
        {"aliases", "a: &a b\nc: [" + repeated("*a,", full - 20) + "]"},
        {"indented maps", indented_maps(full)},
        {"billion laughs", billion_laughs()},
        {"many keys", many_keys(60'000)},
        {"escaped line end", "a: \"\\\r\""},
        {"spaces", repeated(" ", full)},
        {"tabs", repeated("\t", full)},
        {"lines", repeated("\n", full)},
        {"comments", repeated("#\n", full)},
        {"documents", repeated("---\n", full)},
        {"directives", repeated("%YAML 1.2\n", full)},
        {"block", "a: |\n" + repeated(" \n", full)},
        {"folded", "a: >\n" + repeated(" x\n\n", full)},
        {"bytes", repeated("\xff", full)},
        {"utf16", "\xff\xfe" + repeated("a", full)},
        {"utf32", std::string("\xff\xfe\0\0", 4) + repeated("a", full)},
        {"zeros", std::string(full, '\0')},
    };
    for (const Bomb& bomb : bombs) {
        // Processor time: other tests may run beside this one. The bound is generous, because the
        // sanitizers' builds run it too; quadratic work would take minutes.
        std::clock_t begin = std::clock();
        ReadResult result = read(bomb.text);
        double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
        EXPECT_LT(seconds, 20.0) << bomb.name;
        EXPECT_FALSE(result.diagnostics.list().empty()) << bomb.name;
    }
}

}  // namespace
}  // namespace ringtime::config
