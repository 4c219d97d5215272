// Small texts: numbers, durations, sizes, words, addresses, versions, names of variables, JSON.

#include "base/json.h"
#include "config/address.h"
#include "config/values.h"
#include "config/version.h"
#include "config/words.h"
#include "config/worker_environment.h"
#include "support.h"

namespace ringtime::config {
namespace {

using Number = std::optional<uint64_t>;
constexpr Number none;

TEST(Values, durations_are_milliseconds) {
    struct Row {
        std::string_view text;
        Number expected;
    };
    for (const Row& row : std::initializer_list<Row>{{"30", 30'000},
                                                     {"0", 0},
                                                     {"250ms", 250},
                                                     {"30s", 30'000},
                                                     {"5m", 300'000},
                                                     {"1h", 3'600'000},
                                                     {"1.5s", 1500},
                                                     {"0.25", 250},
                                                     {"0.5h", 1'800'000},
                                                     {"1.0ms", 1},
                                                     {"0.0001s", none},
                                                     {"0.5ms", none},
                                                     {"", none},
                                                     {"s", none},
                                                     {"-1", none},
                                                     {"+1", none},
                                                     {"1d", none},
                                                     {"1 s", none},
                                                     {" 1s", none},
                                                     {"1S", none},
                                                     {"1.s", none},
                                                     {".5s", none},
                                                     {"1e3", none},
                                                     {"0x10", none},
                                                     {"1s1", none},
                                                     {"18446744073709551615ms", UINT64_MAX},
                                                     {"18446744073709551616ms", none},
                                                     {"18446744073709551615s", none},
                                                     {"5124095576030431h", none}}) {
        EXPECT_EQ(parse_duration_ms(row.text), row.expected) << row.text;
    }
}

TEST(Values, sizes_are_bytes_in_powers_of_1024) {
    struct Row {
        std::string_view text;
        Number expected;
    };
    for (const Row& row : std::initializer_list<Row>{{"0", 0},
                                                     {"512", 512},
                                                     {"512b", 512},
                                                     {"10kb", 10'240},
                                                     {"10KB", 10'240},
                                                     {"10mb", 10u << 20},
                                                     {"1gb", 1u << 30},
                                                     {"1.5kb", 1536},
                                                     {"0.001kb", none},
                                                     {"", none},
                                                     {"kb", none},
                                                     {"10k", none},
                                                     {"10 mb", none},
                                                     {"-1", none},
                                                     {"1tb", none},
                                                     {"1e3", none},
                                                     {"17179869184gb", none},
                                                     {"18446744073709551616", none}}) {
        EXPECT_EQ(parse_size_bytes(row.text), row.expected) << row.text;
    }
}

TEST(Values, texts_of_durations_and_sizes_read_back) {
    for (uint64_t ms : {0u, 1u, 999u, 1000u, 1500u, 60'000u, 90'000u, 3'600'000u}) {
        EXPECT_EQ(parse_duration_ms(duration_text(ms)), Number(ms)) << duration_text(ms);
    }
    for (uint64_t bytes : {0u, 1u, 1023u, 1024u, 1536u, 1u << 20, 1u << 30}) {
        EXPECT_EQ(parse_size_bytes(size_text(bytes)), Number(bytes)) << size_text(bytes);
    }
}

TEST(Values, numbers_and_booleans_take_nothing_else) {
    EXPECT_EQ(parse_unsigned("007"), Number(7));
    for (std::string_view text : {"", " 1", "1 ", "-0", "1.0", "1_000", "18446744073709551616"}) {
        EXPECT_EQ(parse_unsigned(text), none) << text;
    }
    EXPECT_EQ(parse_number("-2.5e1"), std::optional(-25.0));
    for (std::string_view text : {"", "inf", "nan", "-inf", "1e999", "1,5", "0x1p3", "1 "}) {
        EXPECT_EQ(parse_number(text), std::nullopt) << text;
    }
    EXPECT_EQ(parse_boolean("true"), std::optional(true));
    EXPECT_EQ(parse_boolean("yes"), std::nullopt);
}

TEST(Words, distance_counts_single_slips) {
    EXPECT_EQ(edit_distance("timeout", "timeout"), 0u);
    EXPECT_EQ(edit_distance("timeou", "timeout"), 1u);
    EXPECT_EQ(edit_distance("tmieout", "timeout"), 1u) << "neighbours swapped";
    EXPECT_EQ(edit_distance("time", "timeout"), 3u);
    EXPECT_EQ(edit_distance("", "abc"), 3u);
    EXPECT_GT(edit_distance(std::string(1000, 'a'), "a"), 40u);
}

TEST(Words, the_closest_word_is_near_or_absent) {
    constexpr std::string_view known[] = {"entrypoint", "env", "hosts", "hooks"};
    EXPECT_EQ(closest_word("entypoint", known), "entrypoint");
    EXPECT_EQ(closest_word("host", known), "hosts");
    EXPECT_EQ(closest_word("en", known), "env");
    EXPECT_EQ(closest_word("ab", known), "");
    EXPECT_EQ(closest_word("completely", known), "");
}

TEST(Version, reads_semantic_versions_and_nothing_else) {
    for (std::string_view good :
         {"latest", "0.0.0", "1.2.3", "10.20.30-rc.1", "1.0.0-alpha-b.7+b.01", "1.0.0+build",
          "18446744073709551615.0.0"}) {
        auto version = parse_version(good);
        ASSERT_TRUE(version) << good;
        EXPECT_EQ(version_text(*version), good);
    }
    for (std::string_view bad : {"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01",
                                 "1.2.3-a..b", "v1.2.3", "1.2.x", "1.2.3+", "1.2.3 ", "Latest",
                                 "1..3", "1.2.", "18446744073709551616.0.0", "1.2.3-ä"}) {
        EXPECT_FALSE(parse_version(bad)) << bad;
    }
}

TEST(Version, order_is_that_of_semver_11) {
    constexpr std::string_view rising[] = {"1.0.0-1",     "1.0.0-2",       "1.0.0-11",
                                           "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                           "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
                                           "1.0.0-rc.1",  "1.0.0",         "1.0.1",
                                           "1.1.0",       "2.0.0",         "10.0.0",
                                           "latest"};
    for (size_t i = 0; i < std::size(rising); ++i) {
        for (size_t j = 0; j < std::size(rising); ++j) {
            auto order = compare(*parse_version(rising[i]), *parse_version(rising[j]));
            EXPECT_TRUE((order < 0) == (i < j) && (order > 0) == (i > j))
                << rising[i] << " " << rising[j];
        }
    }
    EXPECT_TRUE(compare(*parse_version("1.0.0+a"), *parse_version("1.0.0+b")) == 0);
}

TEST(Address, networks_contain_their_addresses_only) {
    struct Row {
        std::string_view network, peer;
        bool expected;
    };
    for (const Row& row : std::initializer_list<Row>{{"10.0.0.0/8", "10.255.0.1", true},
                                                     {"10.0.0.0/8", "11.0.0.1", false},
                                                     {"10.0.0.0/8", "a00::1", false},
                                                     {"192.168.4.0/22", "192.168.7.255", true},
                                                     {"192.168.4.0/22", "192.168.8.0", false},
                                                     {"127.0.0.1", "127.0.0.1", true},
                                                     {"127.0.0.1", "127.0.0.2", false},
                                                     {"0.0.0.0/0", "8.8.8.8", true},
                                                     {"0.0.0.0/0", "::1", false},
                                                     {"::/0", "8.8.8.8", true},
                                                     {"fd00::/7", "fdff::1", true},
                                                     {"fd00::/8", "fc00::1", false},
                                                     {"::1", "::1", true},
                                                     {"::ffff:10.0.0.0/104", "10.1.2.3", true}}) {
        auto network = parse_cidr(row.network);
        if (row.network == "fd00::/7") {
            EXPECT_FALSE(network) << "a bit behind the prefix";
            continue;
        }
        ASSERT_TRUE(network) << row.network;
        EXPECT_EQ(network->contains(*parse_ip(row.peer)), row.expected)
            << row.network << " " << row.peer;
    }
    for (std::string_view bad : {"", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/",
                                 "x", "10.0.0.0/-1", "[::1]", "fe80::1%eth0", "010.0.0.1"}) {
        EXPECT_FALSE(parse_cidr(bad)) << bad;
    }
}

TEST(Address, listeners_read_back) {
    for (std::string_view text :
         {"127.0.0.1:80", "[::1]:8080", "*:0", "unix:/run/x.sock", "unix:x"}) {
        auto listen = parse_listen(text);
        ASSERT_TRUE(listen) << text;
        EXPECT_EQ(listen_text(*listen), text);
    }
    EXPECT_EQ(listen_text(*parse_listen(":80")), "*:80");
    std::string long_path = "unix:/" + std::string(107, 'a');
    for (std::string_view bad : std::initializer_list<std::string_view>{
             "", "80", "localhost:80", "127.0.0.1", "::1:80", "[::1]", "[::1]80", "127.0.0.1:65536",
             "127.0.0.1:", "127.0.0.1:-1", "[127.0.0.1]:80", "unix:", "1.2.3.4:80 ", long_path}) {
        EXPECT_FALSE(parse_listen(bad)) << bad;
    }
}

TEST(WorkerEnvironment, names_that_look_like_secrets_are_blocked) {
    for (std::string_view blocked :
         {"DATABASE_URL", "DB_HOST", "db_host", "API_KEY", "APIKEY", "APIKEYS", "AUTH_KEY",
          "SECRET_KEY", "PRIVATE_KEY_PATH", "PrivateKey", "GH_TOKEN", "my_secret", "ADMIN_PASSWORD",
          "AWS_REGION", "GITHUB_ACTIONS", "OPENAI_ORG", "ANTHROPIC_URL", "STRIPE_MODE"}) {
        EXPECT_TRUE(is_sensitive_name(blocked)) << blocked;
    }
    for (std::string_view fine :
         {"MY_VAR", "DATABASEURL", "MY_DB_HOST", "MY_API_KEY", "TOKEN", "TOKENS", "SECRET",
          "PASSWORD_FILE", "AWS", "KEY", "SECRETS_PATH", ""}) {
        EXPECT_FALSE(is_sensitive_name(fine)) << fine;
    }
}

TEST(WorkerEnvironment, the_filter_keeps_order_and_names_what_it_blocks) {
    auto result =
        filter_worker_environment({{"B", "1"}, {"DB_URL", "x"}, {"A", "2"}, {"X_TOKEN", "y"}});
    EXPECT_EQ(result.kept, (Variables{{"B", "1"}, {"A", "2"}}));
    EXPECT_EQ(result.blocked, (Lines{"DB_URL", "X_TOKEN"}));
}

TEST(Environment, comes_from_the_process_once) {
    const char* entries[] = {"A=1", "A=2", "EMPTY=", "NOEQUALS", "=x", "B=a=b", nullptr};
    Environment environment = Environment::from_process(entries);
    EXPECT_EQ(environment.get("A"), std::optional<std::string_view>("1"));
    EXPECT_EQ(environment.get("B"), std::optional<std::string_view>("a=b"));
    EXPECT_EQ(environment.get("EMPTY"), std::nullopt);
    EXPECT_EQ(environment.variables().size(), 3u);
    EXPECT_EQ(split_path_list("/a:/b c: :/d:"), (Lines{"/a", "/b c", "/d"}));
}

TEST(Json, strings_are_valid_whatever_comes_in) {
    auto json = [](std::string_view text) {
        std::string out;
        append_json_string(out, text);
        return out;
    };
    EXPECT_EQ(json("a\"b\\c/\n\r\t"), R"("a\"b\\c/\n\r\t")");
    EXPECT_EQ(json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
    EXPECT_EQ(json("é€😀"), "\"é€😀\"");
    EXPECT_EQ(json("\xff"), R"("\ufffd")");
    EXPECT_EQ(json("\xc0\xaf"), R"("\ufffd\ufffd")") << "overlong";
    EXPECT_EQ(json("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")") << "surrogate";
    EXPECT_EQ(json("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")") << "above U+10FFFF";
    EXPECT_EQ(json("a\xe2\x82"), R"("a\ufffd\ufffd")") << "cut off";
}

TEST(Json, writer_puts_commas_where_they_belong) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("a").number(1).key("b").begin_array();
    json.string("x").null().boolean(true).begin_object().end_object().end_array();
    json.key("c").begin_array().end_array().key("d").number(-2.5).key("e").number(1.0 / 0.0);
    json.key("f").raw("{}").key("g").number(UINT64_MAX).end_object();
    EXPECT_EQ(out, R"({"a":1,"b":["x",null,true,{}],"c":[],"d":-2.5,"e":null,"f":{},)"
                   R"("g":18446744073709551615})");
}

TEST(Diagnostics, render_as_compilers_do) {
    Diagnostics diagnostics;
    diagnostics.error("a.yaml", {3, 7}, "bad", "do good");
    diagnostics.warning("environment", {}, "odd\nline");
    diagnostics.warning("a.yaml", {2, 9}, "found later");
    EXPECT_EQ(diagnostics.render(),
              "a.yaml:2:9: warning: found later\n"
              "a.yaml:3:7: error: bad; do good\n"
              "environment: warning: odd\\x0aline\n");
    EXPECT_FALSE(diagnostics.ok());
}

TEST(Diagnostics, keep_a_bounded_number_and_never_lose_the_only_error) {
    Diagnostics diagnostics;
    for (size_t i = 0; i < 2 * Diagnostics::kept_max; ++i) diagnostics.warning("f", {1, 1}, "w");
    diagnostics.error("f", {2, 2}, "the reason");
    EXPECT_EQ(diagnostics.list().size(), Diagnostics::kept_max);
    EXPECT_EQ(diagnostics.list().back().text, "the reason");
    EXPECT_NE(diagnostics.render().find("... and 501 more (1 errors, 1000 warnings in all)"),
              std::string::npos);
}

TEST(Diagnostics, quotes_are_short_and_printable) {
    EXPECT_EQ(quote("a\nb"), R"("a\nb")");
    EXPECT_EQ(quote(std::string(200, 'x')), "\"" + std::string(80, 'x') + "...\"");
    std::string umlauts;
    for (int i = 0; i < 100; ++i) umlauts += "ä";
    EXPECT_EQ(quote("x" + umlauts).find("\\ufffd"), std::string::npos);
}

}  // namespace
}  // namespace ringtime::config
