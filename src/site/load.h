#pragma once
// The lookup of one path on disk: the folder's handle, the file beneath it, its compressed
// siblings, their bytes. Every step that could wait is an operation of the ring; descriptors are
// opened beneath the folder's handle and can lead nowhere else. Publishes into its entry and ends.

#include <linux/openat2.h>

#include <cstdint>

#include "base/clock.h"
#include "loop/runnable.h"
#include "loop/timer.h"
#include "ring/op.h"
#include "site/content.h"
#include "site/limits.h"

namespace ringtime::site {

struct Entry;
class SiteCache;

/// An open folder, kept until the last lookup beneath it ends. One core's.
struct Folder {
    int fd = -1;
    unsigned references = 1;
    uint64_t device = 0;
    uint64_t inode = 0;
};

class Load final : public loop::Runnable {
 public:
    Load(SiteCache& cache, Entry& entry) noexcept;
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load();

    void start() noexcept;
    /// The folder's handle, retained for this lookup, or null and why.
    void on_folder(Folder* folder, int error) noexcept;
    void run() noexcept override;

    Load* next_waiting = nullptr;  ///< In the list of its Root.

 private:
    enum class Step : uint8_t { folder, plain, index, codings, settling, reading };

    /// One coding of the file.
    struct Probe {
        ring::Op op;
        int fd = -1;
        unsigned attempts = 0;
        FileFacts facts;
        Content* content = nullptr;  ///< Owned until published.
        char path[limits::path_bytes_max + 32];
    };

    static void on_complete(ring::Op& op) noexcept;
    void open_first() noexcept;
    void open(Probe& probe, std::string_view path, std::string_view suffix) noexcept;
    void submit(ring::Op& op) noexcept;
    /// The opened probe's errno, 0 when `facts` are there.
    [[nodiscard]] int opened(Probe& probe) noexcept;
    [[nodiscard]] bool retry_opens() noexcept;
    void on_plain() noexcept;
    void on_index() noexcept;
    void on_file() noexcept;
    void on_codings() noexcept;
    void next_content() noexcept;
    [[nodiscard]] bool must_settle(const FileFacts& facts) noexcept;
    void on_settled() noexcept;
    [[nodiscard]] bool try_previous_release() noexcept;
    [[nodiscard]] bool begin_read(Probe& probe) noexcept;
    void read_more(Probe& probe) noexcept;
    void on_read() noexcept;
    void take_bytes(Probe& probe) noexcept;
    void stream(Probe& probe) noexcept;
    [[nodiscard]] ContentTraits traits_of(unsigned index) const noexcept;
    [[nodiscard]] bool compressible() const noexcept;
    [[nodiscard]] bool varies() const noexcept;
    /// Its bytes are not those of the file: an entrypoint with `<base>` or `__env__`.
    [[nodiscard]] bool adds_markup() const noexcept;
    void publish_file() noexcept;
    void finish_by(int error) noexcept;
    void finish_failed(int error) noexcept;
    void finish() noexcept;
    void close(Probe& probe) noexcept;

    SiteCache& cache_;
    Entry& entry_;
    Step step_ = Step::folder;
    unsigned pending_ = 0;  ///< Operations in flight.
    unsigned index_ = 0;    ///< The coding being read.
    unsigned read_attempts_ = 0;
    unsigned settle_attempts_ = 0;
    bool in_previous_ = false;  ///< Looks in the release before the last switch.
    loop::Timer settle_timer_;
    CodingSet codings_ = 0;
    Folder* folder_ = nullptr;
    FileMemory memory_;
    uint64_t filled_ = 0;
    open_how how_{};
    Probe probes_[codings_count];
};

}  // namespace ringtime::site
