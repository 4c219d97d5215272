// plugins/authn: accounts, the cache, rules, and what the configuration may say.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "plugins/authn/accounts.h"
#include "plugins/authn/base64.h"
#include "plugins/authn/cache.h"
#include "plugins/authn/config.h"
#include "plugins/authn/rules.h"

namespace {

using namespace authn;

/// What `make` refuses with; empty when it does not.
template <typename Make>
std::string refusal(Make make) {
    try {
        make();
        return {};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

std::vector<Account> accounts(const std::vector<std::string>& lines) {
    std::vector<Account> out;
    for (const std::string& line : lines) out.push_back(read_account(line, "test"));
    return out;
}

TEST(AuthnBase64, examples_of_rfc_4648) {
    for (auto [plain, text] :
         {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
          {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}}) {
        EXPECT_EQ(decode_base64(text), plain);
        std::string bare(text);
        bare.resize(std::min(bare.find('='), bare.size()));
        EXPECT_EQ(decode_base64url(bare), plain);
    }
    EXPECT_EQ(decode_base64url("-_-_"), "\xfb\xff\xbf");
    EXPECT_EQ(decode_base64("+/+/"), "\xfb\xff\xbf");
    for (const char* text : {"Zg", "Zg=", "Zg===", "Z", "=", "====", "Zh==", "Zm9=", "Zm9v\n",
                             "Zm 9v", "-_-_", "Zg==Zg=="})
        EXPECT_FALSE(decode_base64(text)) << text;
    for (const char* text : {"Zg==", "Z", "Zh", "Zm9", "+/+/", "Zm9v "})
        EXPECT_EQ(decode_base64url(text).has_value(), false) << text;
}

TEST(AuthnAccounts, lines) {
    Account account = read_account("ci:abc:read,,write", "x");
    EXPECT_EQ(account.identity.name, "ci");
    EXPECT_EQ(account.hash, "abc");
    EXPECT_EQ(account.identity.roles, (std::vector<std::string>{"read", "write"}));
    EXPECT_TRUE(read_account("ci:abc", "x").identity.roles.empty());
    for (const char* line : {"", ":", "ci", "ci:", ":abc", "ci::read", "c\ti:abc"})
        EXPECT_NE(refusal([&] { (void)read_account(line, "here:3"); }).find("here:3"),
                  std::string::npos)
            << line;
}

TEST(AuthnAccounts, keys) {
    std::string hash(64, 'a');
    EXPECT_NE(refusal([] { ApiKeys keys(accounts({"ci:abcd"})); }), "");
    EXPECT_NE(refusal([&] { ApiKeys keys(accounts({"ci:" + hash.substr(1) + "g"})); }), "");
    // SHA-256("abc"), FIPS 180.
    ApiKeys keys(accounts(
        {"ci:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD:deploy"}));
    ASSERT_TRUE(keys.find("abc"));
    EXPECT_EQ(keys.find("abc")->roles, std::vector<std::string>{"deploy"});
    for (const char* key : {"", "ab", "abcd", "ABC"}) EXPECT_FALSE(keys.find(key)) << key;
}

TEST(AuthnAccounts, passwords) {
    Passwords passwords(accounts({
        // Of crypt_blowfish's and glibc's own tests.
        "bob:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW:ops",
        "eve:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OT"
        "LiBFdcbYEdFCoEOfaS35inz1",
    }));
    EXPECT_TRUE(passwords.check("bob", "U*U"));
    EXPECT_FALSE(passwords.check("bob", "U*V"));
    EXPECT_FALSE(passwords.check("bob", ""));
    EXPECT_TRUE(passwords.check("eve", "Hello world!"));
    EXPECT_FALSE(passwords.check("eve", "U*U"));
    // Whoever is not there is nobody, even with somebody's password.
    EXPECT_FALSE(passwords.check("mallory", "U*U"));
    EXPECT_FALSE(passwords.check("mallory", "Hello world!"));
    EXPECT_EQ(passwords.find("bob")->roles, std::vector<std::string>{"ops"});
    EXPECT_FALSE(passwords.find("mallory"));
    for (const char* line : {"a:plain", "a:$1$salt$qJH7.N4xYta3aEG/dfqo/0", "a:rl0uE0wCZRuYs",
                             "a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="})
        EXPECT_NE(refusal([&] { Passwords refused(accounts({line})); }), "") << line;
    EXPECT_NE(refusal([] { Passwords twice(accounts({"a:$6$s$x", "a:$6$s$y"})); }), "");
}

TEST(AuthnAccounts, basic_credentials) {
    auto parsed = parse_basic("QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617 section 2.
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->name, "Aladdin");
    EXPECT_EQ(parsed->password, "open sesame");
    parsed = parse_basic("dGVzdDoxMjPCow==");  // Section 2.1: UTF-8.
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->password, "123\xc2\xa3");
    parsed = parse_basic("YTpiOmM=");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->password, "b:c");
    // No colon; a zero, which would end what crypt reads; a line break; not base64.
    for (const char* text : {"YWJj", "YTpiAGM=", "YTpiCg==", "a:b", ""})
        EXPECT_FALSE(parse_basic(text)) << text;
    EXPECT_FALSE(parse_basic(std::string(4000, 'A')));
}

TEST(AuthnCache, remembers_until_then) {
    Cache cache(8);
    Identity bob{"bob", {"ops"}};
    cache.put(Cache::Kind::password, "bob:secret", 3, 100, &bob);
    cache.put(Cache::Kind::password, "bob:wrong", 3, 100, nullptr);
    const Cache::Entry* found = cache.find(Cache::Kind::password, "bob:secret", 3, 99);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->known);
    EXPECT_EQ(found->identity.name, "bob");
    ASSERT_TRUE(cache.find(Cache::Kind::password, "bob:wrong", 3, 99));
    EXPECT_FALSE(cache.find(Cache::Kind::password, "bob:wrong", 3, 99)->known);
    EXPECT_FALSE(cache.find(Cache::Kind::password, "bob:secret", 3, 100));  // Over.
    EXPECT_FALSE(cache.find(Cache::Kind::password, "bob:secret", 4, 99));   // Other keys.
    EXPECT_FALSE(cache.find(Cache::Kind::token, "bob:secret", 3, 99));
    EXPECT_FALSE(cache.find(Cache::Kind::password, "bob:other", 3, 99));
}

TEST(AuthnCache, is_bounded_and_forgets_the_oldest) {
    Cache cache(Cache::kWays);
    Identity somebody{"x", {}};
    for (uint64_t i = 0; i < 100; ++i)
        cache.put(Cache::Kind::token, std::to_string(i), 0, 1000 + i, &somebody);
    size_t left = 0;
    for (uint64_t i = 0; i < 100; ++i)
        left += cache.find(Cache::Kind::token, std::to_string(i), 0, 1) ? 1 : 0;
    EXPECT_EQ(left, Cache::kWays);
    EXPECT_TRUE(cache.find(Cache::Kind::token, "99", 0, 1));
    EXPECT_FALSE(cache.find(Cache::Kind::token, "0", 0, 1));
}

Config config(const std::string& json) { return read_config(json, "/somewhere"); }

TEST(AuthnRules, the_first_that_fits_decides) {
    Rules rules(config(R"({"rules":[
        {"paths":["/open"],"allow":"anyone"},
        {"paths":["/shut"],"allow":"nobody"},
        {"paths":["/admin"],"methods":["GET"],"roles":["admin","auditor"]},
        {"paths":["/admin"],"roles":["admin"]}]})").rules);
    Identity alice{"alice", {"admin"}};
    Identity bob{"bob", {"auditor"}};
    using Answer = Rules::Answer;
    EXPECT_EQ(rules.ask("/open/x", "GET", nullptr), Answer::yes);
    EXPECT_EQ(rules.ask("/opened", "GET", nullptr), Answer::who_are_you);
    EXPECT_EQ(rules.ask("/opened", "GET", &bob), Answer::yes);
    EXPECT_EQ(rules.ask("/shut", "GET", &alice), Answer::no);
    EXPECT_EQ(rules.ask("/admin", "GET", nullptr), Answer::who_are_you);
    EXPECT_EQ(rules.ask("/admin/x", "GET", &bob), Answer::yes);
    EXPECT_EQ(rules.ask("/admin/x", "POST", &bob), Answer::no);
    EXPECT_EQ(rules.ask("/admin/x", "POST", &alice), Answer::yes);
}

TEST(AuthnRules, who_decodes_slashes_behind_us_gets_in_nowhere) {
    Rules rules(config(R"({"rules":[{"paths":["/open"],"allow":"anyone"},
                                    {"paths":["/admin"],"roles":["admin"]}]})").rules);
    Identity bob{"bob", {}};
    using Answer = Rules::Answer;
    EXPECT_EQ(rules.ask("/admin%2fx", "GET", &bob), Answer::no);
    EXPECT_EQ(rules.ask("/open/..%2F..%2Fadmin", "GET", nullptr), Answer::who_are_you);
    EXPECT_EQ(rules.ask("/open%2F..%2Fadmin", "GET", &bob), Answer::no);
    EXPECT_EQ(rules.ask("/open/%5c..%5Cadmin%5cx", "GET", &bob), Answer::no);
    EXPECT_EQ(rules.ask("/open/a%2Fb", "GET", nullptr), Answer::yes);
    EXPECT_EQ(decoded_separators("/a%2Fb"), "/a/b");
    EXPECT_EQ(decoded_separators("/a%2F..%2F..%2f..%2Fb%5C%2e"), "/b/%2e");
    EXPECT_EQ(decoded_separators("/a//%2F/b%2F"), "/a/b/");
    EXPECT_EQ(decoded_separators("/%2F.."), "/");
    EXPECT_EQ(decoded_separators("/a%2"), "/a%2");
}

TEST(AuthnConfig, everything_and_its_defaults) {
    Config all = config(R"({"realm":"shop","cache":5,"forwardCredentials":true,
        "apiKeys":{"header":"x-token","keys":["ci:00:r"]},"basic":{"users":["a:b"]},
        "jwt":[{"issuer":"i","audience":"s","jwks":"http://a/b","leeway":0,"prefix":"i:"},
               {"issuer":"j","audience":["s","t"],"jwks":"keys.json","refresh":60}]})");
    EXPECT_EQ(all.realm, "shop");
    EXPECT_EQ(all.key_header, "x-token");
    EXPECT_EQ(all.keys[0].identity.name, "ci");
    EXPECT_EQ(all.passwords.size(), 1u);
    EXPECT_EQ(all.issuers[0].url, "http://a/b");
    EXPECT_EQ(all.issuers[0].refresh_s, 3600u);
    EXPECT_EQ(all.issuers[1].file, "/somewhere/keys.json");
    EXPECT_EQ(all.issuers[1].expected.identity_claim, "sub");
}

TEST(AuthnConfig, what_could_open_by_mistake_is_refused) {
    struct Row {
        const char* json;
        const char* text;
    };
    for (const Row& row : {
             Row{R"({"rules":[{"path":["/a"],"allow":"anyone"}]})", "rules[0].path is not known"},
             Row{R"({"rules":[{"paths":[1]}]})", "rules[0].paths is no list"},
             Row{R"({"rules":[{"paths":["a"]}]})", "does not begin with /"},
             Row{R"({"rules":[{"roles":{}}]})", "rules[0].roles"},
             Row{R"({"rules":[{"allow":"all"}]})", "rules[0].allow"},
             Row{R"({"rules":[{"allow":"anyone","roles":["a"]}]})", "mean nothing"},
             Row{R"({"rules":{}})", "rules is no list"},
             Row{R"({"rules":["/a"]})", "rules[0] is no object"},
             Row{R"({"jwt":[{"audience":"a","jwks":"f"}]})", "jwt[0].issuer is missing"},
             Row{R"({"jwt":[{"issuer":"a","jwks":"f"}]})", "jwt[0].audience is missing"},
             Row{R"({"jwt":[{"issuer":"a","audience":"b"}]})", "jwt[0].jwks is missing"},
             Row{R"({"jwt":[{"issuer":"a","audience":"b","jwks":"ftp://x"}]})", "https://"},
             Row{R"({"jwt":[{"issuer":"a","audience":"b","jwks":"http://x","ca":"y"}]})", "ca"},
             Row{R"({"jwt":[{"issuer":"a","audience":"b","jwks":"f","leeway":601}]})", "leeway"},
             Row{R"({"jwt":[{"issuer":"a","audience":"b","jwks":"f","refreshLeast":0}]})",
                 "refreshLeast"},
             Row{R"({"jwt":[{"issuer":"a","audience":"b","jwks":"f","leeway":"1"}]})", "leeway"},
             Row{R"({"apiKeys":[]})", "apiKeys is no object"},
             Row{R"({"apiKeys":{"keys":["ci"]}})", "apiKeys.keys"},
             Row{R"({"apiKeys":{"file":"nowhere"}})", "/somewhere/nowhere cannot be read"},
             Row{R"({"basic":{"user":["a:b"]}})", "basic.user is not known"},
             Row{R"({"realm":"a\"b"})", "realm"},
             Row{R"({"cache":301})", "cache"},
             Row{R"({"forwardCredentials":"no"})", "forwardCredentials"},
         })
        EXPECT_NE(refusal([&] { (void)config(row.json); }).find(row.text), std::string::npos)
            << row.json << " -> " << refusal([&] { (void)config(row.json); });
}

TEST(AuthnConfig, files_of_accounts) {
    auto folder = std::filesystem::temp_directory_path() / "ringtime-authn-test";
    std::filesystem::create_directory(folder);
    std::ofstream(folder / "users") << "# who\n\na:b\r\nc:d:e\n";
    Config read = read_config(R"({"basic":{"file":"users","users":["f:g"]}})", folder);
    ASSERT_EQ(read.passwords.size(), 3u);
    EXPECT_EQ(read.passwords[0].hash, "b");
    EXPECT_EQ(read.passwords[1].identity.roles, std::vector<std::string>{"e"});
    std::ofstream(folder / "users") << "a:b\nc\n";
    EXPECT_NE(refusal([&] { (void)read_config(R"({"basic":{"file":"users"}})", folder); })
                  .find("users:2"),
              std::string::npos);
    std::filesystem::remove_all(folder);
}

}  // namespace
