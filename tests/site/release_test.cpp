// A site that is replaced while it is served: by files, by a link, by renames of its folder.

#include "fixture.h"

namespace ringtime::site {
namespace {

namespace fs = std::filesystem;

/// A site behind a link that is switched from one release to the next.
class ReleaseTest : public SiteTest {
 protected:
    ReleaseTest() {
        for (const char* version : {"one", "two"}) {
            std::string folder = std::string("releases/") + version + "/";
            folder_.write(folder + "index.html", std::string("page ") + version);
            folder_.write(folder + "app-" + hash_of(version) + ".js", version);
            folder_.write(folder + "logo.svg", std::string("logo ") + version);
        }
        folder_.write("releases/one/only.txt", "one alone");
        fs::create_directory_symlink("releases/one", folder_.path("current"));
    }
    static std::string hash_of(const std::string& version) {
        return version == "one" ? "BfI3k2Qz" : "DiwrgT1a";
    }
    [[nodiscard]] Site linked() const {
        SiteOptions with = options();
        with.folder += "/current";
        return Site(with);
    }
    void switch_to(const char* version) {
        fs::create_directory_symlink(std::string("releases/") + version, folder_.path("next"));
        fs::rename(folder_.path("next"), folder_.path("current"));
    }
};

TEST_F(ReleaseTest, open_pages_still_find_their_files) {
    Site site = linked();
    EXPECT_EQ(fetch(site, "/")->body, "page one");
    switch_to("two");
    age();
    EXPECT_EQ(fetch(site, "/")->body, "page two");
    EXPECT_EQ(fetch(site, "/app-DiwrgT1a.js")->body, "two");
    // Never asked for before the switch, and gone from the new release.
    EXPECT_EQ(fetch(site, "/app-BfI3k2Qz.js")->body, "one");
    // A name that stands for no content is the new release's to define.
    EXPECT_EQ(fetch(site, "/only.txt")->status(), 404);
    EXPECT_EQ(fetch(site, "/app-AAAAb4b4.js")->status(), 404);
}

TEST_F(ReleaseTest, no_core_goes_back_behind_another) {
    Site site = linked();
    std::string problem;
    ring::RingOptions few;
    few.small_buffers = 8;
    few.bulk_buffers = 8;
    auto ring = ring::Ring::open(few, problem);
    ASSERT_TRUE(ring) << problem;
    loop::Reactor reactor(*ring, 1);
    SiteCache other(reactor);
    auto fetch_other = [&](const char* target) {
        Fetch one(reactor, other, site, target);
        return std::string(one.finish().body);
    };
    EXPECT_EQ(fetch(site, "/")->body, "page one");
    for (const char* version : {"two", "one", "two", "one"}) {
        std::string page = std::string("page ") + version;
        EXPECT_NE(fetch_other("/"), page);
        EXPECT_NE(fetch_other("/logo.svg"), std::string("logo ") + version);
        switch_to(version);
        while (fetch(site, "/")->body != page) reactor_->turn(kNanosecondsPerMillisecond);
        // The other core has fresh entries of the old release, and may not use them any more.
        EXPECT_EQ(fetch_other("/"), page);
        EXPECT_EQ(fetch_other("/logo.svg"), std::string("logo ") + version);
        EXPECT_EQ(fetch_other(("/app-" + hash_of(version) + ".js").c_str()), version);
    }
}

TEST_F(ReleaseTest, a_folder_without_a_name_for_a_moment) {
    folder_.write("live/index.html", "old");
    folder_.write("live/a.txt", "old a");
    folder_.write("new/index.html", "new");
    folder_.write("new/a.txt", "new a");
    SiteOptions with = options();
    with.folder += "/live";
    Site site(with);
    EXPECT_EQ(fetch(site, "/")->body, "old");
    fs::rename(folder_.path("live"), folder_.path("old"));
    age();
    EXPECT_EQ(fetch(site, "/")->body, "old");
    EXPECT_EQ(fetch(site, "/a.txt")->body, "old a");
    fs::rename(folder_.path("new"), folder_.path("live"));
    age();
    EXPECT_EQ(fetch(site, "/")->body, "new");
    EXPECT_EQ(fetch(site, "/a.txt")->body, "new a");
    fs::rename(folder_.path("live"), folder_.path("new"));
    auto gone = [&] {
        auto answer = fetch(site, "/a.txt");
        return answer->failed;
    };
    Nanoseconds until = monotonic_now() + 10 * kNanosecondsPerSecond;
    while (!gone() && monotonic_now() < until) reactor_->turn(10 * kNanosecondsPerMillisecond);
    EXPECT_TRUE(gone());
}

TEST_F(ReleaseTest, a_file_just_written_rests_first) {
    Site site(options());
    fetch(site, "/");
    // In place and within one tick of the clock that stamps files: the size and time may be equal.
    for (int i = 0; i < 20; ++i) {
        std::string name = "f" + std::to_string(i) + ".txt";
        folder_.write(name, std::string(1000, 'a'));
        auto answer = begin(site, "/" + name);
        for (int turn = 0; turn < i; ++turn) reactor_->turn(0);
        folder_.write(name, std::string(1000, 'b'));
        answer->finish();
        EXPECT_EQ(answer->body, std::string(1000, 'b'));
    }
}

TEST_F(ReleaseTest, more_paths_than_lookups_at_once) {
    constexpr size_t many = limits::loads_max * 3;
    for (size_t i = 0; i < many; ++i) folder_.write("many/" + std::to_string(i), "x");
    Site site(options());
    std::vector<std::unique_ptr<Fetch>> answers;
    for (size_t i = 0; i < many; ++i) answers.push_back(begin(site, "/many/" + std::to_string(i)));
    // Some give up while they wait for their turn.
    for (size_t i = 0; i < many; i += 7) answers[i]->end();
    for (size_t i = 0; i < many; ++i) {
        if (i % 7) { EXPECT_EQ(answers[i]->finish().body, "x"); }
    }
    EXPECT_GT(cache_->counters().queued, many / 2);
    answers.clear();
    EXPECT_EQ(fetch(site, "/many/7")->body, "x");
}

}  // namespace
}  // namespace ringtime::site
