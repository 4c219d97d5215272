// Sites on a ring that delays, cuts short, interrupts and reorders: whatever happens, an answer is
// one whole version of its file, the range asked for, or a failure that can be seen; nothing is
// lost when askers go away in the middle.

#include "../site/fixture.h"
#include "ring/sim/sim_seeds.h"

namespace ringtime::site {
namespace {

using ring::SimRandom;
using ring::SimWorld;

/// Every byte of version `v` is the letter of `v`: a mixture shows.
std::string version(unsigned v, size_t size) {
    return std::string(size, static_cast<char>('a' + v % 26));
}

class Disk {
 public:
    explicit Disk(SimRandom& random) : random_(random) {
        for (unsigned file = 0; file < 4; ++file) write(file);
        folder.write("index.html", "<head></head>page");
        folder.write("folder/index.html", "folder");
    }
    static std::string name(uint64_t file) { return "f" + std::to_string(file) + ".bin"; }

    /// A new version of one file: by rename, as a deployment, or in place, as an editor.
    void write(unsigned file) {
        size_t most = random_.chance(200) ? 400'000 : 40'000;
        std::string content = version(++versions_, random_.between(1, most));
        if (random_.chance(500)) {
            folder.replace(name(file), content);
        } else {
            folder.write(name(file), content);
        }
        // Written by a machine whose clock moves on: the simulated one does not.
        folder.touch(name(file), 784'111'777 + versions_);
    }

    TempFolder folder;

 private:
    SimRandom& random_;
    unsigned versions_ = 0;
};

std::vector<Fields::Line> some_fields(SimRandom& random) {
    switch (random.between(0, 4)) {
        case 0: return {{"range", "bytes=100-4999"}};
        case 1: return {{"range", "bytes=0-9,50-59,-10"}};
        case 2: return {{"accept-encoding", "br, gzip"}, {"accept", "text/html"}};
        default: return {};
    }
}

void check(Fetch& one) {
    if (one.failed) return;
    int status = one.status();
    EXPECT_TRUE(status == 200 || status == 206 || status == 416 || status == 404 || status == 301)
        << status;
    // A failed body is never shown as a whole one.
    EXPECT_EQ(one.field("content-length"), std::to_string(one.body.size()));
    bool single = status == 206 && one.field("content-range") != "-";
    if (one.field("content-type") != "application/octet-stream" || (status == 206 && !single))
        return;
    EXPECT_EQ(one.body, std::string(one.body.size(), one.body[0]));
    if (single) { EXPECT_TRUE(one.field("content-range").starts_with("bytes 100-")); }
}

void serve_from(SimWorld& world, Disk& disk) {
    SimRandom& random = world.random();
    std::string problem;
    ring::RingOptions few;
    few.small_buffers = few.bulk_buffers = 8;
    auto ring = ring::Ring::open(few, problem);
    ASSERT_TRUE(ring) << problem;
    loop::Reactor reactor(*ring, 0);
    CacheOptions small;
    small.memory_file_bytes = random.chance(500) ? 20'000 : 1'000'000;
    small.bytes = random.chance(500) ? 60'000 : 1'000'000;
    small.entries = random.between(3, 20);
    small.open_files = random.between(1, 4);
    small.stream_buffers = random.between(1, 4);
    SiteCache cache(reactor, small);
    SiteOptions options;
    options.folder = disk.folder.path().string();
    options.inject_base = random.chance(500);
    Site site(options);
    const char* others[] = {"/", "/folder", "/folder/", "/deep/link", "/gone.js", "/.hidden"};
    std::vector<std::unique_ptr<Fetch>> running;
    for (int step = 0; step < 150; ++step) {
        if (random.chance(400) && running.size() < 12) {
            std::string target = random.chance(700)
                                     ? "/" + Disk::name(random.between(0, 3))
                                     : others[random.between(0, 5)];
            running.push_back(
                std::make_unique<Fetch>(reactor, cache, site, target, some_fields(random)));
            running.back()->window = random.between(1, 50'000);
            if (random.chance(500)) running.back()->file_bytes = random.between(1, 200'000);
        }
        if (random.chance(100)) disk.write(static_cast<unsigned>(random.between(0, 3)));
        for (auto& one : running) {
            if (one && !one->over) one->pump(random.between(0, 30'000));
        }
        std::erase_if(running, [&](const std::unique_ptr<Fetch>& one) {
            if (one->over) check(*one);
            return one->over || random.chance(20);
        });
        reactor.turn(random.chance(50) ? 400 * kNanosecondsPerMillisecond : 0);
    }
    // All of them read on: who does not holds a buffer that another may wait for.
    for (int turn = 0; turn < 20'000 && !running.empty(); ++turn) {
        for (auto& one : running) one->pump();
        std::erase_if(running, [](const std::unique_ptr<Fetch>& one) {
            if (one->over) check(*one);
            return one->over;
        });
        reactor.turn(kNanosecondsPerMillisecond);
    }
    EXPECT_TRUE(running.empty());
    running.clear();
}

TEST(SimulatedSite, answers_are_whole_or_visibly_failed) {
    bool good = ring::run_seeds(
        60,
        [](SimWorld& world) {
            Disk disk(world.random());
            serve_from(world, disk);
        },
        [] { return testing::Test::HasFailure(); });
    EXPECT_TRUE(good);
}

}  // namespace
}  // namespace ringtime::site
