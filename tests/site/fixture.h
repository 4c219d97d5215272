#pragma once
// A site on a real folder, served by a real reactor, one fetch at a time or many at once.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "site/cache.h"

namespace ringtime::site {

/// Field lines as a request's draft.
class Fields {
 public:
    using Line = std::pair<std::string, std::string>;

    Fields() : Fields(std::vector<Line>{}) {}
    explicit Fields(const std::vector<Line>& lines) {
        for (const auto& [name, value] : lines) text_ += name + ": " + value + "\r\n";
        table_.base = text_.data();
        size_t at = 0;
        for (const auto& [name, value] : lines) {
            http::Field field;
            field.id = http::intern(name);
            field.name_offset = static_cast<uint16_t>(at);
            field.name_size = static_cast<uint16_t>(name.size());
            field.value_offset = static_cast<uint16_t>(at + name.size() + 2);
            field.value_size = static_cast<uint16_t>(value.size());
            table_.add(field);
            at += name.size() + value.size() + 4;
        }
        draft_.begin(table_);
    }
    Fields(const Fields&) = delete;
    Fields& operator=(const Fields&) = delete;
    [[nodiscard]] const http::FieldDraft& draft() const { return draft_; }

 private:
    std::string text_;
    http::FieldTable table_;
    http::FieldDraft draft_;
};

/// A folder that goes away with its test.
class TempFolder {
 public:
    TempFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "site-XXXXXX").string();
        if (!::mkdtemp(name.data())) std::abort();
        path_ = name;
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::filesystem::path path(const std::string& name = "") const {
        return path_ / name;
    }
    void write(const std::string& name, const std::string& content) const {
        std::filesystem::create_directories(path(name).parent_path());
        std::ofstream(path(name), std::ios::binary) << content;
    }
    /// As deployments do it: a reader sees the old file or the new one.
    void replace(const std::string& name, const std::string& content) const {
        write(name + ".new", content);
        std::filesystem::rename(path(name + ".new"), path(name));
    }
    /// Sets the modification time, seconds since 1970.
    void touch(const std::string& name, time_t seconds) const {
        timespec times[2] = {{seconds, 0}, {seconds, 0}};
        ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
    }

 private:
    std::filesystem::path path_;
};

/// One request and what came of it.
class Fetch final : public loop::Runnable {
 public:
    Fetch(loop::Reactor& reactor, SiteCache& cache, const Site& site, std::string target,
          const std::vector<Fields::Line>& lines = {}, http::Method method = http::Method::get,
          std::string_view base = {})
        : reactor_(reactor), target_(std::move(target)), fields_(lines), method_(method) {
        request_.base = base;
        request_.method = method;
        size_t mark = target_.find('?');
        request_.path = std::string_view(target_).substr(0, mark);
        if (mark != std::string::npos) request_.query = std::string_view(target_).substr(mark + 1);
        request_.fields = &fields_.draft();
        answer_ = cache.serve(site, request_, *this);
    }
    ~Fetch() {
        end();
        loop::Reactor::forget(*this);
    }

    void run() noexcept override {
        if (!paused) pump();
    }

    /// Takes what is there, at most `budget` bytes; pieces are kept while `hold` says so.
    void pump(uint64_t budget = UINT64_MAX) {
        while (answer_ && !over) {
            phase = answer_->advance();
            if (phase == http::Answer::Phase::waiting) return;
            if (phase == http::Answer::Phase::failed) {
                over = failed = true;
                return;
            }
            if (method_ == http::Method::head) {
                over = true;
                return;
            }
            if (budget == 0) return;
            if (uint64_t sent = take_file(budget)) {
                budget -= sent;
                continue;
            }
            if (over) return;
            Piece piece;
            switch (answer_->body().pull(piece, static_cast<uint32_t>(std::min(window, budget)))) {
                case http::Pull::data:
                    budget -= piece.size;
                    received += piece.size;
                    if (keep_body) body.append(piece.view());
                    pieces.push_back(piece);
                    if (!hold) drop_pieces();
                    break;
                case http::Pull::pending: return;
                case http::Pull::end: over = true; return;
                case http::Pull::failed: over = failed = true; return;
            }
        }
    }
    void drop_pieces() {
        std::vector<Piece> held;
        held.swap(pieces);
        for (const Piece& piece : held) piece.release();
    }
    /// As the kernel would send it: from the file as it is at that time.
    uint64_t take_file(uint64_t budget) {
        if (file_bytes == 0) return 0;
        http::FileRange range = answer_->body().file();
        if (range.size == 0) return 0;
        std::string bytes(std::min({range.size, budget, file_bytes}), '\0');
        ssize_t size =
            ::pread(range.fd, bytes.data(), bytes.size(), static_cast<off_t>(range.offset));
        if (size <= 0) {
            over = failed = true;
            return 0;
        }
        bytes.resize(static_cast<size_t>(size));
        answer_->body().skip(bytes.size());
        received += bytes.size();
        sent_from_file += bytes.size();
        if (keep_body) body.append(bytes);
        return bytes.size();
    }

    Fetch& finish() {
        pump();
        for (int i = 0; i < 100000 && !over; ++i) reactor_.turn(kNanosecondsPerMillisecond);
        EXPECT_TRUE(over) << target_;
        return *this;
    }
    void end() {
        drop_pieces();
        if (answer_) std::exchange(answer_, nullptr)->release();
    }

    [[nodiscard]] FileAnswer& answer() { return *answer_; }
    [[nodiscard]] int status() { return failed ? -1 : answer_->head().status; }
    [[nodiscard]] std::string field(std::string_view name) {
        const http::Field* found = answer_->head().fields.find(name);
        return found ? std::string(answer_->head().fields.value(*found)) : "-";
    }

    http::Answer::Phase phase = http::Answer::Phase::waiting;
    bool over = false;
    bool failed = false;
    bool hold = false;
    bool paused = false;
    bool keep_body = true;
    uint64_t file_bytes = 0;      ///< Takes so much of files at once; 0: takes pieces only.
    uint64_t sent_from_file = 0;  ///< Of received.
    uint64_t window = 256 * 1024;
    uint64_t received = 0;
    std::string body;
    std::vector<Piece> pieces;

 private:
    loop::Reactor& reactor_;
    std::string target_;
    Fields fields_;
    SiteRequest request_;
    http::Method method_;
    FileAnswer* answer_ = nullptr;
};

class SiteTest : public testing::Test {
 protected:
    SiteTest() {
        ring::RingOptions options;
        options.small_buffers = 8;
        options.bulk_buffers = 8;
        std::string problem;
        ring_ = ring::Ring::open(options, problem);
        if (!ring_) return;
        reactor_ = std::make_unique<loop::Reactor>(*ring_, 0);
        open_cache({});
    }
    void SetUp() override {
        if (!ring_) GTEST_SKIP() << "io_uring is not available";
    }
    ~SiteTest() override { cache_.reset(); }

    void open_cache(const CacheOptions& options) {
        cache_.reset();
        cache_ = std::make_unique<SiteCache>(*reactor_, options);
    }
    [[nodiscard]] SiteOptions options() const {
        SiteOptions options;
        options.folder = folder_.path().string();
        return options;
    }
    std::unique_ptr<Fetch> begin(const Site& site, const std::string& target,
                                 const std::vector<Fields::Line>& lines = {},
                                 http::Method method = http::Method::get) {
        return std::make_unique<Fetch>(*reactor_, *cache_, site, target, lines, method);
    }
    std::unique_ptr<Fetch> fetch(const Site& site, const std::string& target,
                                 const std::vector<Fields::Line>& lines = {},
                                 http::Method method = http::Method::get) {
        auto one = begin(site, target, lines, method);
        one->finish();
        return one;
    }
    /// Lets everything known become stale.
    void age() {
        Nanoseconds until = monotonic_now() + from_milliseconds(ages::fresh_ms + 20);
        while (monotonic_now() < until) reactor_->turn(10 * kNanosecondsPerMillisecond);
    }

    TempFolder folder_;
    std::unique_ptr<ring::Ring> ring_;
    std::unique_ptr<loop::Reactor> reactor_;
    std::unique_ptr<SiteCache> cache_;
};

}  // namespace ringtime::site
