// Does a core stall while a site of many files is read and changed? One reactor serves random files
// as fast as it can while another thread rewrites and replaces them; what is measured is how long
// each turn of the loop took, minus the time the thread was ready and not let run (schedstat).
//
//     site_stall [FILES [SECONDS]]      default: 10000 files, 10 seconds
//
// Fails when an answer is not one whole version of its file; never because of a time.

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "site/cache.h"

namespace {

using namespace ringtime;
using Random = std::mt19937_64;

constexpr unsigned kInFlight = 64;

std::string name_of(uint64_t file) { return fmt::format("d{}/f{}.txt", file % 100, file); }

/// Mostly small, some of 100 KiB, a few too large for memory.
size_t size_of(uint64_t file) {
    if (file % 1000 == 0) return 3 << 20;
    return file % 20 == 0 ? 100 << 10 : 300 + file % 9000;
}

void write_file(const std::string& path, size_t size, char letter) {
    std::ofstream(path, std::ios::binary) << std::string(size, letter);
}

/// Half in place, half by rename, with a pause: a deployment that never ends.
void change(const std::string& root, uint64_t files, const std::atomic<bool>& stop,
            std::atomic<uint64_t>& changes) {
    Random random(2);
    while (!stop) {
        for (int i = 0; i < 20; ++i, ++changes) {
            uint64_t file = random() % files;
            std::string path = root + "/" + name_of(file);
            auto letter = static_cast<char>('a' + random() % 26);
            if (random() % 2) {
                write_file(path, size_of(file), letter);
            } else {
                write_file(path + ".new", size_of(file), letter);
                std::filesystem::rename(path + ".new", path);
            }
        }
        ::usleep(10'000);
    }
}

/// Time this thread was runnable and another ran.
Nanoseconds waited_for_cpu(int schedstat) {
    char text[128] = {};
    if (::pread(schedstat, text, sizeof text - 1, 0) <= 0) return 0;
    const char* second = std::find(text, text + sizeof text, ' ') + 1;
    Nanoseconds value = 0;
    std::from_chars(second, text + sizeof text, value);
    return value;
}

class Reader final : public loop::Runnable {
 public:
    Reader(loop::Reactor& reactor, site::SiteCache& cache, const site::Site& site, uint64_t files,
           unsigned seed)
        : reactor_(reactor), cache_(cache), site_(site), files_(files), random_(seed) {
        draft_.begin(received_fields_);
        request_.fields = &draft_;
    }
    ~Reader() {
        end();
        loop::Reactor::forget(*this);
    }
    void run() noexcept override { pump(); }

    void begin() {
        file_ = random_() % files_;
        path_ = "/" + name_of(file_);
        request_.path = path_;
        letter_ = 0;
        received_ = 0;
        answer_ = cache_.serve(site_, request_, *this);
        reactor_.wake(*this);
    }
    void pump() {
        if (!answer_) return begin();
        auto phase = answer_->advance();
        if (phase == http::Answer::Phase::waiting) return;
        if (phase == http::Answer::Phase::failed) return next(true);
        for (;;) {
            Piece piece;
            switch (answer_->body().pull(piece, 128 << 10)) {
                case http::Pull::pending: return;
                case http::Pull::failed: return next(true);
                case http::Pull::end: return next(false);
                case http::Pull::data: take(piece); break;
            }
        }
    }

    uint64_t answers = 0;
    uint64_t cut = 0;
    uint64_t wrong = 0;

 private:
    void take(const Piece& piece) {
        if (!letter_) letter_ = piece.data[0];
        std::string_view text = piece.view();
        // A file that was found half written is read as it was then: shorter, never mixed.
        if (text.find_first_not_of(letter_) != std::string_view::npos) ++wrong;
        received_ += piece.size;
        piece.release();
    }
    // tidy: allow(bool-parameter) named at its calls
    void next(bool failed) {
        ++answers;
        cut += failed ? 1 : 0;
        if (!failed && received_ != answer_->length()) ++wrong;
        end();
        reactor_.wake(*this);
    }
    void end() {
        if (answer_) std::exchange(answer_, nullptr)->release();
    }

    loop::Reactor& reactor_;
    site::SiteCache& cache_;
    const site::Site& site_;
    uint64_t files_;
    Random random_;
    uint64_t file_ = 0;
    std::string path_;
    char letter_ = 0;
    uint64_t received_ = 0;
    http::FieldTable received_fields_;
    http::FieldDraft draft_;
    site::SiteRequest request_;
    site::FileAnswer* answer_ = nullptr;
};

struct Turns {
    std::vector<Nanoseconds> lags;
    void report(const char* what) {
        std::sort(lags.begin(), lags.end());
        auto at = [&](double part) {
            double index = part * static_cast<double>(lags.size() - 1);
            return static_cast<double>(lags[static_cast<size_t>(index)]) / 1e6;
        };
        auto over = lags.end() - std::upper_bound(lags.begin(), lags.end(), 5'000'000U);
        fmt::print("{:28} p50 {:.3f} p99 {:.3f} p99.9 {:.3f} max {:.3f} ms; over 5 ms: {}\n", what,
                   at(0.5), at(0.99), at(0.999), at(1), over);
    }
};

}  // namespace

int main(int count, char** arguments) {
    uint64_t files = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 10'000;
    uint64_t seconds = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 10;
    std::string root = (std::filesystem::temp_directory_path() / "site-stall-XXXXXX").string();
    if (files == 0 || !::mkdtemp(root.data())) return 2;
    for (unsigned i = 0; i < 100; ++i)
        std::filesystem::create_directory(fmt::format("{}/d{}", root, i));
    for (uint64_t i = 0; i < files; ++i) write_file(root + "/" + name_of(i), size_of(i), 'a');

    std::string problem;
    auto ring = ring::Ring::open({}, problem);
    if (!ring) return fmt::print("{}\n", problem), 77;
    Turns gross, net;
    uint64_t answers = 0, cut = 0, wrong = 0;
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> changes{0};
    {
        loop::Reactor reactor(*ring, 0);
        site::Compressor compressor;
        site::CacheOptions options;
        options.compressor = &compressor;
        site::SiteCache cache(reactor, options);
        site::SiteOptions site_options;
        site_options.folder = root;
        site::Site site(site_options);
        std::thread changer([&] { change(root, files, stop, changes); });
        std::vector<std::unique_ptr<Reader>> readers;
        for (unsigned i = 0; i < kInFlight; ++i)
            readers.push_back(std::make_unique<Reader>(reactor, cache, site, files, i));
        for (auto& reader : readers) reader->begin();
        int schedstat = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
        Nanoseconds end = monotonic_now() + seconds * kNanosecondsPerSecond;
        Nanoseconds before = monotonic_now();
        Nanoseconds waited = waited_for_cpu(schedstat);
        while (before < end) {
            reactor.turn(0);
            Nanoseconds now = monotonic_now();
            Nanoseconds lag = now - before;
            Nanoseconds total = waited_for_cpu(schedstat);
            Nanoseconds robbed = std::min(lag, total - std::exchange(waited, total));
            gross.lags.push_back(lag);
            net.lags.push_back(lag - robbed);
            before = monotonic_now();
        }
        stop = true;
        changer.join();
        ::close(schedstat);
        for (auto& reader : readers) {
            answers += reader->answers;
            cut += reader->cut;
            wrong += reader->wrong;
        }
        readers.clear();
        const site::CacheCounters& seen = cache.counters();
        fmt::print("{} files, {} s: {} answers, {} changes, {} cut, {} wrong; ", files, seconds,
                   answers, changes.load(), cut, wrong);
        fmt::print("lookups {}, reads {}, open {}\n", seen.lookups, seen.reads, seen.open_files);
    }
    std::filesystem::remove_all(root);
    gross.report("turns");
    net.report("without time robbed");
    return wrong ? 1 : 0;
}
