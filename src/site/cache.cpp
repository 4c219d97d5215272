#include "site/cache.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ringtime::site {
namespace {

/// Entries looked at for one that is not in use, and entries dropped by one call: bounds a turn.
constexpr unsigned kEvictionsMax = 64;
constexpr Nanoseconds kSweepEvery = kNanosecondsPerSecond;

}  // namespace

// --- Root ---

Root::Root(SiteCache& cache, const Site& from)
    : site(from), releases(site.releases()), cache_(cache) {
    how_.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    releases.enter();
}

Root::~Root() {
    ASSERT(!asking_ && entries == 0);
    drop(folder_);
    drop(previous_);
    releases.leave();
}

void Root::drop(Folder*& folder) noexcept {
    if (folder) cache_.release_folder(*folder);
    folder = nullptr;
}

void Root::drop_previous_if_old() noexcept {
    if (cache_.reactor_.now() >= previous_until_) drop(previous_);
}

void Root::ask_folder(Load& load) noexcept {
    Nanoseconds now = cache_.reactor_.now();
    uint64_t release = releases.now();
    bool fresh = now - checked_at_ <= from_milliseconds(ages::folder_ms);
    if (folder_ && fresh && release == release_) {
        ++folder_->references;
        return load.on_folder(folder_, 0);
    }
    load.next_waiting = waiting_;
    waiting_ = &load;
    if (asking_) return;
    asking_ = true;
    asked_at_ = now;
    asked_release_ = release;
    op_.kind = ring::OpKind::open_at;
    op_.fd = AT_FDCWD;
    op_.address = const_cast<char*>(site.options().folder.c_str());
    op_.offset = reinterpret_cast<uint64_t>(&how_);
    op_.owner = this;
    op_.on_complete = &on_complete;
    cache_.reactor_.ring().submit(op_);
}

void Root::on_complete(ring::Op& op) noexcept {
    Root& self = *static_cast<Root*>(op.owner);
    self.cache_.reactor_.wake(self);
}

// Returns why there is no folder; 0 when there is.
int Root::take_handle(int result) noexcept {
    release_ = asked_release_;
    FileFacts facts;
    int error = result < 0 ? -result : 0;
    if (!error && !read_facts(result, facts)) error = EIO;
    Nanoseconds now = cache_.reactor_.now();
    if (error) {
        if (result >= 0) cache_.close_later(result);
        if (!gone_since_) gone_since_ = now;
        bool brief = now - gone_since_ < from_milliseconds(ages::folder_gone_ms);
        if (error == ENOENT && folder_ && brief) return 0;
        drop(folder_);
        return error;
    }
    gone_since_ = 0;
    release_ = releases.opened(asked_release_, result, facts, now);
    if (folder_ && facts.device == folder_->device && facts.inode == folder_->inode) {
        cache_.close_later(result);
        return 0;
    }
    // The first time, or another folder is there now, as when a release was switched by its link.
    drop(folder_);
    folder_ = new Folder{result, 1, facts.device, facts.inode};
    take_previous();
    return 0;
}

/// The folder before the last switch, whichever core saw it.
void Root::take_previous() noexcept {
    drop(previous_);
    Nanoseconds now = cache_.reactor_.now();
    int before = releases.before(now);
    if (before < 0) return;
    previous_ = new Folder{before, 1, 0, 0};
    previous_until_ = now + from_milliseconds(ages::release_overlap_ms);
}

void Root::run() noexcept {
    asking_ = false;
    int error = take_handle(op_.result);
    checked_at_ = asked_at_;
    Folder* folder = folder_;
    // The last lookup to end may take this object with it.
    for (Load* load = std::exchange(waiting_, nullptr); load;) {
        Load* next = load->next_waiting;
        if (folder) ++folder->references;
        load->on_folder(folder, error);
        load = next;
    }
}

// --- SiteCache ---

SiteCache::SiteCache(loop::Reactor& reactor, const CacheOptions& options)
    : reactor_(reactor),
      options_(options),
      buckets_(std::bit_ceil(options.entries + 1)),
      entry_slab_(options.entries),
      loads_(limits::loads_max, 8),
      answers_(limits::answers_max),
      made_heads_(limits::made_heads_max, 8),
      buffers_(options.stream_buffers, 2),
      closes_(limits::loads_max),
      compressions_(limits::compressions_max, 8) {
    sweep_timer_.owner = this;
    sweep_timer_.on_expire = &on_sweep;
    for (size_t i = 0; i < FixedHead::kinds_count; ++i)
        fixed_[i].make(static_cast<FixedHead::Kind>(i));
}

SiteCache::~SiteCache() {
    ASSERT(answers_.used() == 0);
    reactor_.disarm(sweep_timer_);
    while (loads_.used()) reactor_.turn(kNanosecondsPerMillisecond);
    while (turns_.pop_front()) continue;
    while (Entry* entry = present_.front()) drop(*entry);
    while (Entry* entry = absent_.front()) drop(*entry);
    if (compressions_.used()) options_.compressor->abandon(reactor_);
    while (closes_.used() || buffers_.used() || compressions_.used())
        reactor_.turn(kNanosecondsPerMillisecond);
    if (options_.compressor) options_.compressor->leave(reactor_);
    ASSERT(counters_.contents == 0);
}

FileAnswer* SiteCache::serve(const Site& site, const SiteRequest& request,
                             loop::Runnable& waker) noexcept {
    FileAnswer* answer = answers_.create(*this, request, waker);
    if (answer) answer->begin(site);
    return answer;
}

void SiteCache::ask(const Site& site, std::string_view name, FileAnswer& answer) noexcept {
    uint64_t hash = hash_bytes(name, site.hash());
    Nanoseconds now = reactor_.now();
    Entry* entry = find(site, name, hash);
    if (entry && entry->current(now)) {
        ++counters_.hits;
        touch(*entry);
        bool ending = now + from_milliseconds(ages::refresh_ahead_ms) >= entry->valid_until;
        // When there is no room for a lookup now, a later request will wait for one.
        if (ending && !entry->load) [[maybe_unused]] bool started = start_load(*entry);
        return answer.decide(*entry);
    }
    if (!entry) entry = create(site, name, hash);
    if (!entry) return answer.fail({Reason::overload, Source::gateway, Retry::yes, 0, 0});
    if (!entry->load && !entry->turn.linked() && !start_load(*entry)) {
        ++counters_.queued;
        turns_.push_back(entry->turn);
    }
    ++counters_.waits;
    touch(*entry);
    entry->waiters.push_back(answer);
}

Entry* SiteCache::find(const Site& site, std::string_view name, uint64_t hash) noexcept {
    for (Entry* entry = buckets_[hash & (buckets_.size() - 1)]; entry; entry = entry->chain) {
        if (entry->hash != hash || entry->name() != name) continue;
        if (entry->root->site.serial() == site.serial()) return entry;
    }
    return nullptr;
}

Entry* SiteCache::create(const Site& site, std::string_view name, uint64_t hash) noexcept {
    if (absent_used_ >= options_.entries / 4) evict_one(absent_);
    if (entry_slab_.used() >= options_.entries && !evict_one(present_) && !evict_one(absent_))
        return nullptr;
    Entry* entry = entry_slab_.create();
    if (!entry) return nullptr;
    entry->key = static_cast<char*>(std::malloc(name.size() + 1));
    ASSERT(entry->key);
    std::memcpy(entry->key, name.data(), name.size());
    entry->key_size = static_cast<uint32_t>(name.size());
    entry->hash = hash;
    entry->root = root_of(site);
    entry->turn.entry = entry;
    ++entry->root->entries;
    Entry*& bucket = buckets_[hash & (buckets_.size() - 1)];
    entry->chain = std::exchange(bucket, entry);
    absent_.push_front(*entry);
    ++absent_used_;
    if (!sweep_timer_.armed()) reactor_.arm(sweep_timer_, reactor_.now() + kSweepEvery);
    return entry;
}

Root* SiteCache::root_of(const Site& site) noexcept {
    for (RootNode* node = roots_.front(); node; node = roots_.next(*node)) {
        auto* root = static_cast<Root*>(node);
        if (root->site.serial() == site.serial()) return root;
    }
    auto* root = new Root(*this, site);
    roots_.push_back(*root);
    return root;
}

bool SiteCache::start_load(Entry& entry) noexcept {
    entry.load = loads_.create(*this, entry);
    if (!entry.load) return false;
    entry.load->start();
    return true;
}

/// Those whose askers have all gone lose their turn.
void SiteCache::start_next_load() noexcept {
    while (Entry::Turn* turn = turns_.pop_front()) {
        if (turn->entry->waiters.empty()) continue;
        if (!start_load(*turn->entry)) turns_.push_front(*turn);
        return;
    }
}

void SiteCache::load_ended(Entry& entry) noexcept {
    entry.load = nullptr;
    // Begun before a switch that those who wait may have seen the result of: once more.
    if (entry.release != entry.root->releases.now() && !entry.waiters.empty() &&
        start_load(entry))
        return;
    if (entry.listed_present != entry.leads_to_file()) {
        static_cast<ListNode&>(entry).unlink();
        absent_used_ -= entry.listed_present ? 0 : 1;
        entry.listed_present = entry.leads_to_file();
        absent_used_ += entry.listed_present ? 0 : 1;
        list_of(entry).push_front(entry);
    }
    ++entry.pins;
    List<FileAnswer> waiters;
    waiters.splice_back(entry.waiters);
    while (FileAnswer* answer = waiters.pop_front()) {
        answer->decide(entry);
        if (answer->advance() != http::Answer::Phase::waiting) answer->wake();
    }
    --entry.pins;
    start_next_load();
    for (unsigned i = 0; i < kEvictionsMax && counters_.open_files > options_.open_files; ++i) {
        if (!evict_one(present_)) break;
    }
}

void SiteCache::touch(Entry& entry) noexcept {
    Nanoseconds now = reactor_.now();
    if (entry.last_used == now) return;
    entry.last_used = now;
    static_cast<ListNode&>(entry).unlink();
    list_of(entry).push_front(entry);
}

bool SiteCache::evict_one(List<Entry>& list) noexcept {
    for (unsigned i = 0; i < kEvictionsMax; ++i) {
        Entry* entry = list.back();
        if (!entry) return false;
        if (!entry->busy()) {
            ++counters_.evictions;
            drop(*entry);
            return true;
        }
        static_cast<ListNode*>(entry)->unlink();
        list.push_front(*entry);
    }
    return false;
}

void SiteCache::drop(Entry& entry) noexcept {
    ASSERT(!entry.busy());
    static_cast<ListNode&>(entry).unlink();
    absent_used_ -= entry.listed_present ? 0 : 1;
    Entry** at = &buckets_[entry.hash & (buckets_.size() - 1)];
    while (*at != &entry) at = &(*at)->chain;
    *at = entry.chain;
    for (Content* content : entry.contents) {
        if (content) content->release();
    }
    std::free(entry.key);
    Root* root = entry.root;
    entry_slab_.destroy(&entry);
    if (--root->entries > 0) return;
    static_cast<RootNode*>(root)->unlink();
    delete root;
}

bool SiteCache::make_room(uint64_t bytes) noexcept {
    for (unsigned i = 0; i < kEvictionsMax && counters_.bytes + bytes > options_.bytes; ++i) {
        if (!evict_one(present_)) break;
    }
    return counters_.bytes + bytes <= options_.bytes;
}

void SiteCache::drop_idle(List<Entry>& list) noexcept {
    Nanoseconds now = reactor_.now();
    for (unsigned i = 0; i < kEvictionsMax; ++i) {
        Entry* entry = list.back();
        if (!entry || entry->busy()) return;
        if (now - entry->last_used < from_milliseconds(ages::idle_ms)) return;
        drop(*entry);
    }
}

void SiteCache::on_sweep(loop::Timer& timer) noexcept {
    SiteCache& self = *static_cast<SiteCache*>(timer.owner);
    self.drop_idle(self.present_);
    self.drop_idle(self.absent_);
    for (RootNode* node = self.roots_.front(); node; node = self.roots_.next(*node))
        static_cast<Root*>(node)->drop_previous_if_old();
    if (self.entries()) self.reactor_.arm(timer, self.reactor_.now() + kSweepEvery);
}

void SiteCache::content_added(uint64_t cost, int fd) noexcept {
    ++counters_.contents;
    counters_.bytes += cost;
    counters_.open_files += fd >= 0 ? 1 : 0;
}

void SiteCache::content_removed(uint64_t cost, int fd) noexcept {
    --counters_.contents;
    counters_.bytes -= cost;
    counters_.open_files -= fd >= 0 ? 1 : 0;
}

void SiteCache::release_folder(Folder& folder) noexcept {
    if (--folder.references > 0) return;
    close_later(folder.fd);
    delete &folder;
}

void SiteCache::close_later(int fd) noexcept {
    Close* close = closes_.create();
    if (!close) {
        ::close(fd);
        return;
    }
    close->cache = this;
    close->op.kind = ring::OpKind::close;
    close->op.fd = fd;
    close->op.owner = close;
    close->op.on_complete = [](ring::Op& op) noexcept {
        auto* ended = static_cast<Close*>(op.owner);
        ended->cache->closes_.destroy(ended);
    };
    reactor_.ring().submit(close->op);
}

// --- Codings made here ---

void SiteCache::compress(Content& plain, Coding coding) noexcept {
    if (!options_.compressor || !plain.begin_variant(coding)) return;
    Compression* made = compressions_.create(Compression{this, &plain, {}});
    if (!made) return plain.cancel_variant(coding);
    made->job.coding = coding;
    made->job.bytes = {plain.bytes(), plain.size()};
    made->job.facts = plain.facts();
    made->job.etag = plain.validators().etag;
    made->job.reactor = &reactor_;
    made->job.on_done = &on_compressed;
    made->job.context = made;
    plain.retain();
    if (options_.compressor->submit(made->job)) return;
    plain.cancel_variant(coding);
    plain.release();
    compressions_.destroy(made);
}

void SiteCache::on_compressed(CompressionJob& job) noexcept {
    auto* made = static_cast<Compression*>(job.context);
    SiteCache& self = *made->cache;
    Content& plain = *made->plain;
    Content* variant = nullptr;
    FileMemory result = FileMemory::adopt(job.result);
    if (result && self.make_room(job.result_size)) {
        variant = new Content(plain, job.coding, std::move(result), job.result_size);
        ++self.counters_.compressed;
    }
    plain.end_variant(job.coding, variant);
    plain.release();
    self.compressions_.destroy(made);
}

bool SiteCache::may_warn() noexcept {
    Nanoseconds now = reactor_.now();
    if (now - warned_at_ < kNanosecondsPerSecond) return false;
    warned_at_ = now;
    return true;
}

// Not to be guessed, so that no file can hold the end of a part it is sent in.
std::string SiteCache::next_boundary() {
    ++boundaries_;
    auto bytes = std::string_view(reinterpret_cast<const char*>(&boundaries_), sizeof boundaries_);
    return fmt::format("{:016x}{:x}", hash_bytes(bytes, monotonic_now()), boundaries_);
}

StreamBuffer* SiteCache::take_buffer(FileAnswer& reader, Content& content) noexcept {
    StreamBuffer* buffer = buffers_.create(*this, reader, content);
    if (!buffer) ++counters_.starved;
    return buffer;
}

void SiteCache::give_buffer(StreamBuffer& buffer) noexcept {
    FileAnswer* reader = buffer.reader_;
    Content& content = buffer.content_;
    buffers_.destroy(&buffer);
    content.release();
    // Those who have none go first; a reader that has none left queues behind them.
    if (reader) reader->buffer_returned(&buffer, !starved_.empty());
    wake_starved();
}

void SiteCache::wake_starved() noexcept {
    if (buffers_.used() == buffers_.limit()) return;
    if (FileAnswer* starved = starved_.pop_front()) starved->wake();
}

/// Two for each stream while there is plenty, so that one is read while the other is sent.
unsigned SiteCache::buffers_allowed() const noexcept {
    bool plenty = buffers_.used() < buffers_.limit() - buffers_.limit() / 4;
    return plenty ? limits::stream_buffers_per_answer : 1;
}

}  // namespace ringtime::site
