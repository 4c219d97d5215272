#pragma once
// What one core knows of its sites' files: which paths exist, what small files hold, descriptors of
// large ones. Bounded in bytes, entries and descriptors, the least recently used goes first.
// Anything known is looked up again by path, through the ring, before it is a second old; while an
// entry is in use that happens ahead of time, so that no request waits for it. A hit is one hash
// lookup: no system call, no allocation. Lives on its core's thread.

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/list.h"
#include "base/slab.h"
#include "loop/reactor.h"
#include "site/answer.h"
#include "site/compressor.h"
#include "site/content.h"
#include "site/limits.h"
#include "site/load.h"
#include "site/site.h"

namespace ringtime::site {

/// Two lists hold a Root: the reactor's and its cache's.
struct RootNode : ListNode {};

/// What one core knows of one site: its folder's handle. Lives while it has entries.
class Root final : public loop::Runnable, public RootNode {
 public:
    Root(SiteCache& cache, const Site& site);
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;
    ~Root();

    /// A copy: the snapshot that brought it may be gone before a lookup ends.
    const Site site;
    Releases& releases;  ///< The site's, of all cores.
    size_t entries = 0;

    /// Has the folder's handle opened by path unless that happened just now, and calls
    /// `load.on_folder()` then, possibly at once.
    void ask_folder(Load& load) noexcept;
    /// When the handle was last known to be what the path leads to, and of which release.
    [[nodiscard]] Nanoseconds checked_at() const noexcept { return checked_at_; }
    [[nodiscard]] uint64_t release() const noexcept { return release_; }
    /// The folder before the last switch, while pages of it may be open in browsers; else null.
    [[nodiscard]] Folder* previous() const noexcept { return previous_; }
    void drop_previous_if_old() noexcept;

    void run() noexcept override;

 private:
    static void on_complete(ring::Op& op) noexcept;
    void drop(Folder*& folder) noexcept;
    [[nodiscard]] int take_handle(int result) noexcept;
    void take_previous() noexcept;

    SiteCache& cache_;
    Folder* folder_ = nullptr;
    Folder* previous_ = nullptr;
    Nanoseconds previous_until_ = 0;
    Nanoseconds gone_since_ = 0;  ///< When the path first led nowhere.
    Nanoseconds checked_at_ = 0;
    Nanoseconds asked_at_ = 0;
    uint64_t release_ = 0;
    uint64_t asked_release_ = 0;
    bool asking_ = false;
    Load* waiting_ = nullptr;
    ring::Op op_;
    open_how how_{};
};

/// One path of one site.
struct Entry : ListNode {
    enum class Kind : uint8_t {
        unknown,   ///< Being looked up for the first time.
        file,      ///< `contents` by coding, plain always.
        redirect,  ///< A folder with an index, asked for without its slash.
        missing,
        refused,   ///< A link out of the folder, a device, no permission: 404 and no fallback.
        failed,    ///< See `error`; never remembered.
    };

    Entry* chain = nullptr;  ///< Next in its bucket.
    uint64_t hash = 0;
    Root* root = nullptr;
    char* key = nullptr;
    uint32_t key_size = 0;
    bool listed_present = false;  ///< Which of the cache's lists it is in.
    uint32_t pins = 0;  ///< Not to be dropped: a call is using it.
    Kind kind = Kind::unknown;
    CodingSet codings = 0;
    Error error;
    Content* contents[codings_count] = {};
    Nanoseconds valid_until = 0;
    uint64_t release = 0;  ///< Of its site, when it was looked up.
    Nanoseconds last_used = 0;
    Load* load = nullptr;
    /// Its place among those whose lookup waits for its turn.
    struct Turn : ListNode {
        Entry* entry = nullptr;
    } turn;
    List<FileAnswer> waiters;

    [[nodiscard]] std::string_view name() const noexcept { return {key, key_size}; }
    /// The file below the folder. An entrypoint that is told its base has one entry for each, and
    /// the base behind a NUL, which no path holds.
    [[nodiscard]] std::string_view path() const noexcept {
        return name().substr(0, name().find('\0'));
    }
    [[nodiscard]] std::string_view base() const noexcept {
        size_t end = path().size();
        return end < key_size ? name().substr(end + 1) : std::string_view{};
    }
    [[nodiscard]] bool leads_to_file() const noexcept {
        return kind == Kind::file || kind == Kind::redirect;
    }
    [[nodiscard]] bool current(Nanoseconds now) const noexcept {
        return now < valid_until && release == root->releases.now();
    }
    [[nodiscard]] bool busy() noexcept {
        return pins || load || turn.linked() || !waiters.empty();
    }
};

struct CacheOptions {
    uint64_t bytes = limits::cache_bytes_default;
    uint64_t memory_file_bytes = limits::memory_file_bytes_default;
    size_t entries = limits::entries_default;
    size_t open_files = limits::open_files_default;
    size_t stream_buffers = limits::stream_buffers_max;
    Compressor* compressor = nullptr;  ///< None: files are served in the codings they lie in.
};

struct CacheCounters {
    uint64_t hits = 0;        ///< Answered from what was known.
    uint64_t waits = 0;       ///< Waited for a lookup.
    uint64_t lookups = 0;     ///< Paths looked up on disk, again or for the first time.
    uint64_t queued = 0;      ///< Lookups that waited for their turn.
    uint64_t reads = 0;       ///< Files read into memory.
    uint64_t evictions = 0;
    uint64_t compressed = 0;  ///< Versions in codings made here.
    uint64_t changed = 0;     ///< Answers cut because their file changed under them.
    uint64_t starved = 0;     ///< Streams that waited for a buffer.
    uint64_t bytes = 0;       ///< In memory now.
    size_t contents = 0;      ///< Versions of files alive now.
    size_t open_files = 0;    ///< Descriptors held by them.
};

class SiteCache {
 public:
    explicit SiteCache(loop::Reactor& reactor, const CacheOptions& options = {});
    SiteCache(const SiteCache&) = delete;
    SiteCache& operator=(const SiteCache&) = delete;
    /// Turns the reactor until nothing is in flight. Precondition: every answer and piece is
    /// released.
    ~SiteCache();

    /// Begins an answer, which is often headed at once. `request` is borrowed, see there; `waker`
    /// is woken when a waiting answer could go on. Null when limits::answers_max are in progress
    /// (503).
    [[nodiscard]] FileAnswer* serve(const Site& site, const SiteRequest& request,
                                    loop::Runnable& waker) noexcept;

    [[nodiscard]] const CacheCounters& counters() const noexcept { return counters_; }
    [[nodiscard]] size_t entries() const noexcept { return entry_slab_.used(); }

 private:
    friend class Content;
    friend class FileAnswer;
    friend class Load;
    friend class Root;
    friend class StreamBuffer;

    // For answers.
    /// Decides `answer` by the entry called `name`, now or when its lookup has ended.
    void ask(const Site& site, std::string_view name, FileAnswer& answer) noexcept;
    void destroy(FileAnswer& answer) noexcept { answers_.destroy(&answer); }
    [[nodiscard]] const FixedHead& fixed(FixedHead::Kind kind) const noexcept {
        return fixed_[static_cast<size_t>(kind)];
    }
    [[nodiscard]] Slab<MadeHead>& made_heads() noexcept { return made_heads_; }
    [[nodiscard]] std::string next_boundary();
    [[nodiscard]] StreamBuffer* take_buffer(FileAnswer& reader, Content& content) noexcept;
    void give_buffer(StreamBuffer& buffer) noexcept;
    void wake_starved() noexcept;
    [[nodiscard]] unsigned buffers_allowed() const noexcept;

    /// Has `plain` coded beside the core's work, unless that is under way.
    void compress(Content& plain, Coding coding) noexcept;
    static void on_compressed(CompressionJob& job) noexcept;

    // For lookups.
    void load_ended(Entry& entry) noexcept;
    void release_folder(Folder& folder) noexcept;
    [[nodiscard]] bool make_room(uint64_t bytes) noexcept;
    void close_later(int fd) noexcept;
    /// At most one warning a second: requests cause them.
    [[nodiscard]] bool may_warn() noexcept;
    void content_added(uint64_t cost, int fd) noexcept;
    void content_removed(uint64_t cost, int fd) noexcept;

    [[nodiscard]] Entry* find(const Site& site, std::string_view name, uint64_t hash) noexcept;
    [[nodiscard]] Entry* create(const Site& site, std::string_view name, uint64_t hash) noexcept;
    [[nodiscard]] bool start_load(Entry& entry) noexcept;
    [[nodiscard]] Root* root_of(const Site& site) noexcept;
    /// Drops the entry longest unused of those that are not in use now. False when there is none.
    bool evict_one(List<Entry>& list) noexcept;
    void drop(Entry& entry) noexcept;
    void touch(Entry& entry) noexcept;
    [[nodiscard]] List<Entry>& list_of(const Entry& entry) noexcept {
        return entry.listed_present ? present_ : absent_;
    }
    void start_next_load() noexcept;
    void drop_idle(List<Entry>& list) noexcept;
    static void on_sweep(loop::Timer& timer) noexcept;

    struct Close {
        SiteCache* cache;
        ring::Op op;
    };

    struct Compression {
        SiteCache* cache;
        Content* plain;
        CompressionJob job;
    };

    loop::Reactor& reactor_;
    CacheOptions options_;
    CacheCounters counters_;
    uint64_t boundaries_ = 0;
    Nanoseconds warned_at_ = 0;
    std::vector<Entry*> buckets_;
    // Most recently used first. What does not exist has its own list and share, so that made-up
    // paths never push out a file.
    List<Entry> present_;
    List<Entry> absent_;
    size_t absent_used_ = 0;
    List<RootNode> roots_;
    List<FileAnswer> starved_;
    List<Entry::Turn> turns_;
    loop::Timer sweep_timer_;
    Slab<Entry> entry_slab_;
    Slab<Load> loads_;
    Slab<FileAnswer> answers_;
    Slab<MadeHead> made_heads_;
    Slab<StreamBuffer> buffers_;
    Slab<Close> closes_;
    Slab<Compression> compressions_;
    FixedHead fixed_[FixedHead::kinds_count];
};

}  // namespace ringtime::site
