// plugins/cache: what Cache-Control says, and the store's bounds.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "plugins/cache/directives.h"
#include "plugins/cache/store.h"

namespace {

using namespace cache;

Directives read(std::string_view text) {
    Directives out;
    read_directives(text, out);
    return out;
}

TEST(CacheDirectives, what_is_said) {
    Directives said = read("Public, MAX-AGE=60 ,s-maxage=\"30\", must-revalidate");
    EXPECT_TRUE(said.is_public && said.must_revalidate);
    EXPECT_EQ(said.max_age, 60u);
    EXPECT_EQ(said.shared_max_age, 30u);
    EXPECT_FALSE(said.no_store || said.no_cache || said.is_private);
    EXPECT_TRUE(read("private=\"set-cookie, x\"").is_private);
    EXPECT_TRUE(read("no-cache=\"a\"").no_cache);
    EXPECT_TRUE(read(",, no-store,").no_store);
    // Inside quotes nothing is said.
    EXPECT_FALSE(read("x=\"a, no-store, \\\", private\", y").no_store);
    EXPECT_FALSE(read("x=\"a, no-store").no_store);
    EXPECT_TRUE(read("x=\"\\").max_age == std::nullopt);
}

TEST(CacheDirectives, what_is_wrong_makes_nothing_fresher) {
    for (const char* text : {"max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x",
                             "max-age= 5", "max-age=\"5", "max-age=99, max-age=0"})
        EXPECT_EQ(read(text).max_age, 0u) << text;
    EXPECT_EQ(read("max-age=99999999999999999999999").max_age, kSecondsMost);
}

TEST(CacheDirectives, dates) {
    EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);  // RFC 9110 section 5.6.7.
    for (const char* text : {"", "0", "-1", "Sun, 06 Nov 1994 08:49:37", "now",
                             "Sunday, 06-Nov-94 08:49:37 GMT"})
        EXPECT_FALSE(parse_date(text)) << text;
}

Kept response(std::string body, std::string language = {}) {
    auto out = std::make_shared<Stored>();
    out->body = std::make_shared<const std::string>(std::move(body));
    if (!language.empty()) out->vary = {{"accept-language", language}};
    return out;
}

std::string found(Store& store, const std::string& key, const std::string& language = {}) {
    Kept kept = store.find(key, [&](std::string_view) { return language; });
    return kept ? *kept->body : "-";
}

TEST(CacheStore, variants_by_what_the_request_said) {
    Store store(1 << 20);
    store.put("a", response("de", "de"));
    store.put("a", response("en", "en"));
    EXPECT_EQ(found(store, "a", "de"), "de");
    EXPECT_EQ(found(store, "a", "en"), "en");
    EXPECT_EQ(found(store, "a", "fr"), "-");
    EXPECT_EQ(found(store, "b", "de"), "-");
    store.put("a", response("de 2", "de"));
    EXPECT_EQ(found(store, "a", "de"), "de 2");
    EXPECT_EQ(store.counts().entries, 1u);
    for (size_t i = 0; i < 2 * Store::kVariantsMost; ++i)
        store.put("a", response("x", "x" + std::to_string(i)));
    EXPECT_EQ(found(store, "a", "de"), "-");
    store.erase("a");
    EXPECT_EQ(found(store, "a", "x15"), "-");
    EXPECT_EQ(store.counts().bytes, 0u);
}

TEST(CacheStore, is_bounded_and_forgets_what_nobody_asks_for) {
    constexpr size_t most = 1 << 20;
    Store store(most);
    store.put("kept", response("kept"));
    for (int i = 0; i < 10'000; ++i) {
        store.put(std::to_string(i), response(std::string(1000, 'x')));
        EXPECT_EQ(found(store, "kept"), "kept");
        ASSERT_LE(store.counts().bytes, most);
    }
    EXPECT_EQ(found(store, "0"), "-");
    EXPECT_GT(store.counts().evicted, 1000u);
    store.put("large", response(std::string(most / Store::kParts, 'x')));
    EXPECT_EQ(found(store, "large"), "-");
    // Variants of one target have no more room than others.
    for (int i = 0; i < 8; ++i)
        store.put("many", response(std::string(20'000, 'x'), std::to_string(i)));
    EXPECT_LE(store.counts().bytes, most);
}

TEST(CacheStore, cores_at_once) {
    Store store(256 * 1024);
    std::atomic<bool> wrong{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 5000; ++i) {
                std::string key = std::to_string((i * 7 + t) % 97);
                if (i % 11 == 0) store.erase(key);
                store.put(key, response(key + std::string(500, ' ')));
                std::string body = found(store, key);
                if (body != "-" && body.compare(0, key.size(), key) != 0) wrong = true;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(wrong);
    EXPECT_LE(store.counts().bytes, 256u * 1024);
}

}  // namespace
