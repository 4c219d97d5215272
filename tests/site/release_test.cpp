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

/// Another core that serves the same sites.
class OtherCore {
 public:
    OtherCore() {
        ring::RingOptions few;
        few.small_buffers = 8;
        few.bulk_buffers = 8;
        std::string problem;
        ring_ = ring::Ring::open(few, problem);
        if (!ring_) throw std::runtime_error(problem);
        reactor_ = std::make_unique<loop::Reactor>(*ring_, 1);
        cache_ = std::make_unique<SiteCache>(*reactor_);
    }
    std::string fetch(const Site& site, const std::string& target) {
        Fetch one(*reactor_, *cache_, site, target);
        Fetch& answer = one.finish();
        return answer.failed ? "failed" : std::string(answer.body);
    }

 private:
    std::unique_ptr<ring::Ring> ring_;
    std::unique_ptr<loop::Reactor> reactor_;
    std::unique_ptr<SiteCache> cache_;
};

TEST_F(ReleaseTest, no_core_goes_back_behind_another) {
    Site site = linked();
    OtherCore other;
    EXPECT_EQ(fetch(site, "/")->body, "page one");
    for (const char* version : {"two", "one", "two", "one"}) {
        std::string page = std::string("page ") + version;
        EXPECT_NE(other.fetch(site, "/"), page);
        EXPECT_NE(other.fetch(site, "/logo.svg"), std::string("logo ") + version);
        switch_to(version);
        while (fetch(site, "/")->body != page) reactor_->turn(kNanosecondsPerMillisecond);
        // The other core has fresh entries of the old release, and may not use them any more.
        EXPECT_EQ(other.fetch(site, "/"), page);
        EXPECT_EQ(other.fetch(site, "/logo.svg"), std::string("logo ") + version);
        EXPECT_EQ(other.fetch(site, "/app-" + hash_of(version) + ".js"), version);
    }
}

TEST_F(ReleaseTest, a_core_that_comes_late_knows_the_release_before) {
    Site site = linked();
    EXPECT_EQ(fetch(site, "/")->body, "page one");
    switch_to("two");
    // Met for the first time by this core, which so sees the switch before the other one does.
    OtherCore late;
    EXPECT_EQ(late.fetch(site, "/app-" + hash_of("one") + ".js"), "one");
    EXPECT_EQ(late.fetch(site, "/"), "page two");
    EXPECT_EQ(fetch(site, "/")->body, "page two");
    OtherCore last;
    EXPECT_EQ(last.fetch(site, "/app-" + hash_of("one") + ".js"), "one");
    EXPECT_EQ(last.fetch(site, "/app-" + hash_of("two") + ".js"), "two");
    EXPECT_EQ(last.fetch(site, "/only.txt").substr(0, 8), "There is");
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
