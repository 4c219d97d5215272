// What a core remembers of its sites, for how long, and within which bounds.

#include "fixture.h"

namespace ringtime::site {

/// Defined beside the operator that counts: count_allocations.cpp.
uint64_t allocations_made() noexcept;

namespace {

TEST_F(SiteTest, a_hit_is_no_system_call_and_no_allocation) {
    folder_.write("a.txt", "hello");
    Site site(options());
    Fields fields({{"accept-encoding", "gzip, br"}, {"accept", "*/*"}});
    fetch(site, "/a.txt");
    struct Nobody final : loop::Runnable {
        void run() noexcept override {}
    } nobody;
    SiteRequest request;
    request.path = "/a.txt";
    request.fields = &fields.draft();
    uint64_t submitted = ring_->counters().submitted;
    uint64_t allocated = allocations_made();
    for (int i = 0; i < 1000; ++i) {
        FileAnswer* answer = cache_->serve(site, request, nobody);
        ASSERT_EQ(answer->advance(), http::Answer::Phase::headed);
        Piece piece;
        ASSERT_EQ(answer->body().pull(piece, 1 << 20), http::Pull::data);
        ASSERT_EQ(piece.view(), "hello");
        Piece none;
        ASSERT_EQ(answer->body().pull(none, 1 << 20), http::Pull::end);
        answer->release();
        piece.release();
    }
    EXPECT_EQ(allocations_made(), allocated);
    EXPECT_EQ(ring_->counters().submitted, submitted);
    EXPECT_EQ(cache_->counters().lookups, 1U);
    EXPECT_EQ(cache_->counters().hits, 1000U);
}

TEST_F(SiteTest, sees_changes_within_a_second) {
    folder_.write("a.txt", "one");
    folder_.write("index.html", "page");
    Site site(options());
    EXPECT_EQ(fetch(site, "/a.txt")->body, "one");
    EXPECT_EQ(fetch(site, "/later.txt", {{"accept", "*/*"}})->status(), 404);
    age();
    folder_.replace("a.txt", "two");
    EXPECT_EQ(fetch(site, "/a.txt")->body, "two");
    age();
    folder_.write("a.txt", "six");  // In place, of the same size.
    folder_.write("later.txt", "here");
    EXPECT_EQ(fetch(site, "/a.txt")->body, "six");
    EXPECT_EQ(fetch(site, "/later.txt")->body, "here");
    age();
    std::filesystem::remove(folder_.path("a.txt"));
    EXPECT_EQ(fetch(site, "/a.txt", {{"accept", "*/*"}})->status(), 404);
    EXPECT_LE(cache_->counters().contents, 2U);
}

TEST_F(SiteTest, what_did_not_change_is_not_read_again) {
    folder_.write("a.js", "one");
    folder_.write("a.js.gz", "gz");
    Site site(options());
    std::string tag = fetch(site, "/a.js")->field("etag");
    EXPECT_EQ(cache_->counters().reads, 2U);
    age();
    EXPECT_EQ(fetch(site, "/a.js")->field("etag"), tag);
    EXPECT_EQ(cache_->counters().reads, 2U);
    EXPECT_EQ(cache_->counters().lookups, 2U);
    age();
    folder_.write("a.js.br", "br");  // A new coding: plain answers vary by one more.
    EXPECT_EQ(fetch(site, "/a.js", {{"accept-encoding", "br"}})->body, "br");
}

TEST_F(SiteTest, follows_a_release_link) {
    folder_.write("v1/index.html", "one");
    folder_.write("v2/index.html", "two");
    std::filesystem::create_directory_symlink("v1", folder_.path("current"));
    SiteOptions linked = options();
    linked.folder += "/current";
    Site site(linked);
    EXPECT_EQ(fetch(site, "/")->body, "one");
    std::filesystem::create_directory_symlink("v2", folder_.path("next"));
    std::filesystem::rename(folder_.path("next"), folder_.path("current"));
    age();
    EXPECT_EQ(fetch(site, "/")->body, "two");
}

TEST_F(SiteTest, in_steady_use_no_request_waits) {
    folder_.write("a.txt", "hello");
    Site site(options());
    Nanoseconds longest = 0;
    // Use is not steady on a machine that stands still: then it is tried again.
    for (int attempt = 0; attempt < 20; ++attempt) {
        fetch(site, "/a.txt");
        const auto before = cache_->counters();
        unsigned waited = 0;
        longest = 0;
        Nanoseconds now = monotonic_now();
        const Nanoseconds until = now + 2500 * kNanosecondsPerMillisecond;
        while (now < until) {
            reactor_->turn(5 * kNanosecondsPerMillisecond);
            auto answer = begin(site, "/a.txt");
            answer->pump();
            if (!answer->over) ++waited;
            answer->finish();
            longest = std::max(longest, monotonic_now() - now);
            now = monotonic_now();
        }
        if (longest > 100 * kNanosecondsPerMillisecond) continue;
        EXPECT_EQ(waited, 0U);
        EXPECT_EQ(cache_->counters().waits, before.waits);
        EXPECT_GE(cache_->counters().lookups, before.lookups + 2);
        EXPECT_LE(cache_->counters().lookups, before.lookups + 8);
        EXPECT_EQ(cache_->counters().reads, 1U);
        return;
    }
    GTEST_SKIP() << "the machine stands still for " << longest / kNanosecondsPerMillisecond
                 << " ms at a time";
}

TEST_F(SiteTest, many_who_ask_at_once_share_one_lookup) {
    folder_.write("a.txt", "hello");
    folder_.write("index.html", "page");
    Site site(options());
    std::vector<std::unique_ptr<Fetch>> answers;
    for (int i = 0; i < 50; ++i) answers.push_back(begin(site, i % 2 ? "/a.txt" : "/route"));
    // Some give up while they wait.
    for (size_t i = 0; i < answers.size(); i += 5) answers[i]->end();
    for (size_t i = 0; i < answers.size(); ++i) {
        if (i % 5 == 0) continue;
        answers[i]->finish();
        EXPECT_EQ(answers[i]->body, i % 2 ? "hello" : "page");
    }
    EXPECT_EQ(cache_->counters().lookups, 3U);
}

TEST_F(SiteTest, copies_share_and_others_do_not) {
    folder_.write("index.html", "<head></head>");
    Site first(options());
    fetch(first, "/");
    Site copy = first;
    fetch(copy, "/");
    EXPECT_EQ(cache_->counters().lookups, 1U);
    SiteOptions other = options();
    other.inject_base = true;
    EXPECT_EQ(fetch(Site(other), "/")->body, "<head><base href=\"/\"></head>");
    EXPECT_EQ(fetch(copy, "/")->body, "<head></head>");
    EXPECT_EQ(cache_->counters().lookups, 2U);
}

TEST_F(SiteTest, stays_within_its_bytes) {
    CacheOptions small;
    small.bytes = 256 * 1024;
    small.memory_file_bytes = 100 * 1024;
    open_cache(small);
    for (int i = 0; i < 20; ++i)
        folder_.write(std::to_string(i), std::string(50 * 1024, static_cast<char>('a' + i)));
    folder_.write("large", std::string(200 * 1024, 'L'));
    Site site(options());
    // Held pieces outlive their entries.
    auto held = begin(site, "/0");
    held->hold = true;
    held->finish();
    for (int round = 0; round < 2; ++round) {
        for (int i = 1; i < 20; ++i) {
            auto answer = fetch(site, "/" + std::to_string(i));
            EXPECT_EQ(answer->body, std::string(50 * 1024, static_cast<char>('a' + i)));
            EXPECT_LE(cache_->counters().bytes, small.bytes + 64 * 1024);
        }
    }
    EXPECT_GT(cache_->counters().evictions, 20U);
    EXPECT_EQ(held->pieces.at(0).view(), std::string(50 * 1024, 'a'));
    EXPECT_EQ(fetch(site, "/large")->body, std::string(200 * 1024, 'L'));
}

TEST_F(SiteTest, made_up_paths_push_out_no_file) {
    CacheOptions small;
    small.entries = 64;
    open_cache(small);
    folder_.write("a.txt", "hello");
    folder_.write("index.html", "page");
    Site site(options());
    fetch(site, "/a.txt");
    for (int i = 0; i < 500; ++i) {
        EXPECT_EQ(fetch(site, "/made/up/" + std::to_string(i))->body, "page");
        EXPECT_LE(cache_->entries(), 64U);
    }
    EXPECT_EQ(cache_->counters().reads, 2U);
}

TEST_F(SiteTest, keeps_few_descriptors) {
    CacheOptions small;
    small.open_files = 4;
    small.memory_file_bytes = 0;
    open_cache(small);
    Site site(options());
    for (int i = 0; i < 40; ++i) {
        std::string name = std::to_string(i) + ".bin";
        folder_.write(name, name);
        EXPECT_EQ(fetch(site, "/" + name)->body, name);
        EXPECT_LE(cache_->counters().open_files, 5U);
    }
}

TEST_F(SiteTest, replacing_under_load_breaks_no_page) {
    auto page = [](int version) {
        return "<head></head>" +
               std::string(20000 + version, static_cast<char>('a' + version % 26));
    };
    SiteOptions with = options();
    with.inject_base = true;
    Site site(with);
    folder_.write("index.html", page(0));
    Nanoseconds until = monotonic_now() + 2200 * kNanosecondsPerMillisecond;
    int version = 0;
    int last_seen = 0;
    while (monotonic_now() < until) {
        ++version;
        folder_.replace("index.html", page(version));
        reactor_->turn(0);
        auto answer = fetch(site, "/");
        ASSERT_EQ(answer->status(), 200);
        int seen = static_cast<int>(answer->body.size()) - static_cast<int>(page(0).size()) -
                   static_cast<int>(site.injection().size());
        ASSERT_EQ(answer->body.substr(6 + site.injection().size()), page(seen).substr(6));
        ASSERT_GE(seen, last_seen);
        last_seen = seen;
    }
    EXPECT_GT(last_seen, 1);
}

}  // namespace
}  // namespace ringtime::site
