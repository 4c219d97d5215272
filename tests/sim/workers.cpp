#include "workers.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "http_text.h"
#include "ring/direct.h"

namespace ringtime::sim {
namespace {

constexpr Nanoseconds kMillisecond = kNanosecondsPerMillisecond;

WorkerTask task_of(std::string_view query) {
    const std::string target = "?" + std::string(query);
    return {.id = query_number(target, "id", 0),
            .size = query_number(target, "size", 0),
            .upload = query_number(target, "upload", 0),
            .known_length = query_number(target, "known", 0) != 0,
            .fault = static_cast<WorkerFault>(query_number(target, "fault", 0))};
}

}  // namespace

// --- A process ---

SimWorker::SimWorker(SimWorkers& all, uint32_t id) : all_(all), random_(all.world.random()) {
    state.id = id;
    state.pid = static_cast<int32_t>(id + 1);
    state.app = &all.rig.supervisor().app(0);
    state.doorbell = ring::make_doorbell();
    state.concurrency = all.spec.concurrency;
    state.notice.subject = this;
    share_memory();
    use_memory(memory_.front());
    state.places.store(0);
    all_.world.after(1, [this] { step(); });
}

SimWorker::~SimWorker() {
    for (const Memory& memory : memory_) let_go(memory);
    ring::close_doorbell(state.doorbell);
}

void SimWorker::let_go(const Memory& memory) {
    ::munmap(const_cast<rtw_region*>(memory.incoming), memory.bytes);
    ::munmap(memory.outgoing, memory.bytes);
    ring::close_doorbell(memory.bell);
}

void SimWorker::share_memory() {
    Fd fds[2];
    auto offer = std::make_unique<worker::LinkOffer>();
    ASSERT(offer->region.create(0, all_.spec.arena_bytes, fds[0], fds[1]) == 0);
    const size_t bytes = offer->region.bytes();
    void* a = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fds[0].get(), 0);
    void* b = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1].get(), 0);
    ASSERT(a != MAP_FAILED && b != MAP_FAILED);
    memory_.push_back({bytes, static_cast<const rtw_region*>(a), static_cast<rtw_region*>(b),
                       ::dup(offer->region.doorbell())});
    offer->pool = &all_.rig.workers();
    offer->worker = &state;
    ++links;
    ASSERT(all_.rig.reactor().post({&worker::CorePool::on_message_attach, offer.release(), 0}));
    if (memory_.size() == 1) return;
    all_.world.after(random_.below(20 * kMillisecond), [this] {
        if (!requests_.empty()) complain("given other memory in the middle of a request");
        let_go(memory_.front());
        memory_.pop_front();
        use_memory(memory_.front());
    });
}

void SimWorker::use_memory(const Memory& memory) {
    incoming_ = memory.incoming;
    outgoing_ = memory.outgoing;
    producer_ = {outgoing_, incoming_, 0, 0, 0};
    consumer_ = {incoming_, outgoing_, 0, 0};
    rtw_arena_init(&arena_, all_.spec.arena_bytes);
    slabs_.clear();
    requests_.clear();
    waiting_.clear();
    open_ = 0;
    asleep_ = false;  // As by every word of its gateway.
}

void SimWorker::complain(const std::string& what) {
    if (honest_) all_.world.violate("a worker was " + what);
}

// One turn of its loop.
void SimWorker::step() {
    if (ended || hangs_) return;
    if (asleep_ && !woken()) return sleep_or_go_on(false);
    asleep_ = false;
    rtw_store(&outgoing_->wants_wake, RTW_WAKE_NEVER);
    rtw_store(&outgoing_->loops, outgoing_->loops + 1);
    ring_full_ = short_of_memory_ = false;
    bool busy = hear();
    while (!ended && !hangs_ && !waiting_.empty() && open_ < all_.spec.concurrency && has_room()) {
        const auto request = requests_.find(waiting_.front());
        waiting_.pop_front();
        if (request != requests_.end() && begin(request->second)) busy = true;
        if (random_.chance(300)) break;
    }
    std::vector<uint32_t> open;
    for (const auto& [exchange, request] : requests_)
        if (request.begun) open.push_back(exchange);
    for (const uint32_t exchange : open)
        if (!ended && !hangs_ && has_room() && work_on(requests_.at(exchange))) busy = true;
    if (!ended && !hangs_) publish();
    sleep_or_go_on(busy || ring_full_);
}

// For an END and what may stand before it.
bool SimWorker::has_room() {
    if (rtw_room(&producer_) < 8) ring_full_ = true;
    return !ring_full_;
}

// Who sleeps hears its doorbell and nothing else: a gateway that does not ring is found out.
void SimWorker::sleep_or_go_on(bool busy) {
    if (ended || hangs_) return;
    if (!busy && !asleep_) {
        const bool for_work = !short_of_memory_ && random_.chance(500);
        rtw_store(&outgoing_->wants_wake, for_work ? RTW_WAKE_FOR_WORK : RTW_WAKE_FOR_ALL);
        rtw_full_fence();
        asleep_ = rtw_available(&consumer_) == 0;
    }
    const Nanoseconds pause = asleep_ ? 40 * kMillisecond : kMillisecond / 2;
    all_.world.after(random_.between(1, pause), [this] { step(); });
}

bool SimWorker::woken() {
    uint64_t count = 0;
    const bool rung = ::read(state.doorbell, &count, sizeof count) > 0;
    if (all_.spec.kind) return rung;
    return rung ? !random_.chance(20) : random_.chance(5);
}

// --- What the gateway says ---

bool SimWorker::hear() {
    const uint32_t available = rtw_available(&consumer_);
    if (available > RTW_RING_ENTRIES) complain("shown a ring that is corrupt");
    uint32_t count = std::min(available, RTW_RING_ENTRIES);
    if (random_.chance(200)) count = static_cast<uint32_t>(random_.below(count + 1));
    for (uint32_t i = 0; i < count; ++i) {
        rtw_desc desc;
        rtw_take(&consumer_, &desc);
        take(desc);
    }
    rtw_release(&consumer_);
    return available > 0;
}

void SimWorker::take(const rtw_desc& desc) {
    if (desc.kind == RTW_REQUEST) return take_request(desc);
    if (desc.kind == RTW_FREE) return take_free(desc);
    const auto place = requests_.find(desc.exchange);
    if (place == requests_.end()) return;  // Ended here already.
    Request& request = place->second;
    const bool over = request.complete || request.aborted;
    switch (desc.kind) {
        case RTW_BODY:
            if (over) complain("sent more of a body that was over");
            request.body.push_back(desc);
            return;
        case RTW_BODY_END:
            if (over) complain("told twice that a body is over");
            request.complete = true;
            return;
        case RTW_ABORT:
            if (request.aborted) complain("told twice to give up");
            request.aborted = true;
            return;
        default: return complain("sent an unknown kind of message");
    }
}

void SimWorker::take_request(const rtw_desc& desc) {
    if (requests_.contains(desc.exchange)) return complain("given a number that is in use");
    const auto* head = reinterpret_cast<const rtw_request_head*>(
        reinterpret_cast<const char*>(incoming_) + RTW_ARENA_OFFSET + desc.offset);
    if (head->head_bytes != desc.length) complain("given a head of another length");
    const std::string_view query(reinterpret_cast<const char*>(head) + head->query.offset,
                                 head->query.size);
    Request& request = requests_[desc.exchange] = {};
    request.exchange = desc.exchange;
    request.task = task_of(query);
    request.idempotent = head->method != RTW_METHOD_POST;
    request.bodyless = head->method == RTW_METHOD_HEAD;
    request.complete = (desc.flags & RTW_END_STREAM) != 0;
    if (request.complete != (head->body_length == 0)) complain("told two lengths of a body");
    request.expected = body_of(request.task.id, request.task.upload);
    request.answer = body_of(request.task.id + 1, request.bodyless ? 0 : request.task.size);
    waiting_.push_back(desc.exchange);
}

// Bytes that lie one behind the other may come back together, whatever slabs they are of.
void SimWorker::take_free(const rtw_desc& desc) {
    const auto request = requests_.find(desc.exchange);
    if (request != requests_.end())
        request->second.unfreed -= std::min(request->second.unfreed, desc.length);
    uint32_t offset = desc.offset;
    for (uint32_t left = desc.length; left > 0;) {
        const auto place = slabs_.upper_bound(offset / RTW_UNIT_BYTES);
        if (place == slabs_.begin()) return complain("given back memory that was not lent");
        const auto slab = std::prev(place);
        const uint32_t end = slab->first * RTW_UNIT_BYTES + slab->second.bytes;
        const uint32_t part = offset < end ? std::min(left, end - offset) : 0;
        if (part == 0 || part > slab->second.left)
            return complain("given back memory that was not lent");
        slab->second.left -= part;
        if (slab->second.left == 0) {
            rtw_arena_give(&arena_, slab->first, slab->second.units);
            slabs_.erase(slab);
        }
        offset += part;
        left -= part;
    }
}

// --- Requests ---

bool SimWorker::begin(Request& request) {
    const uint32_t number = outgoing_->begun + 1;
    rtw_store(&outgoing_->begun, number);
    rtw_full_fence();
    request.begun = true;
    ++open_;
    const bool recalled = rtw_load(&incoming_->recalling) != 0 &&
                          static_cast<int32_t>(number - rtw_load(&incoming_->recall_from)) >= 0;
    if (recalled) {
        end(request, RTW_ABORT, RTW_UNTOUCHED);
        return true;
    }
    if (!request.aborted) all_.note_begun(request.task.id, request.idempotent);
    rtw_store(&outgoing_->service_ns, static_cast<uint32_t>(random_.below(2) * 20'000));
    return misbehave(request);
}

// What it does at once instead of answering; true when it did something.
bool SimWorker::misbehave(Request& request) {
    switch (request.task.fault) {
        case WorkerFault::gives_up: end(request, RTW_ABORT); return true;
        case WorkerFault::hangs: hangs_ = true; return true;
        case WorkerFault::crash: all_.crash(*this); return true;
        case WorkerFault::garbage: spew_garbage(request.exchange); return true;
        case WorkerFault::no_head:
            honest_ = false;
            end(request, RTW_END);
            return true;
        case WorkerFault::lost_place:
            honest_ = false;
            publish();
            rtw_store(random_.chance(500) ? &outgoing_->tail : &outgoing_->head,
                      static_cast<uint32_t>(random_.next()));
            return true;
        default: return false;
    }
}

bool SimWorker::work_on(Request& request) {
    if (request.task.fault == WorkerFault::forgets) return false;
    if (request.aborted) {
        end(request, RTW_ABORT);
        return true;
    }
    if (random_.chance(100)) return true;  // Not in this turn.
    if (request.task.fault == WorkerFault::silence) return false;
    const bool had_body = !request.body.empty();
    if (request.task.fault != WorkerFault::early || request.headed) read_body(request);
    const bool may_answer = request.complete || request.task.fault == WorkerFault::early;
    return (may_answer && answer(request)) || had_body;
}

void SimWorker::read_body(Request& request) {
    while (!request.body.empty() && has_room() && !random_.chance(200)) {
        const rtw_desc desc = request.body.front();
        request.body.pop_front();
        const char* bytes =
            reinterpret_cast<const char*>(incoming_) + RTW_ARENA_OFFSET + desc.offset;
        const bool inside = request.received + desc.length <= request.expected.size();
        if (!inside || std::memcmp(request.expected.data() + request.received, bytes,
                                   desc.length) != 0)
            complain("given other bytes than the client sent");
        request.received += desc.length;
        say(RTW_FREE, 0, request.exchange, desc.offset, desc.length);
    }
    if (request.complete && request.body.empty() && request.received != request.task.upload)
        complain("told that a body is complete that is not");
}

// False when it waits for memory or for the body.
bool SimWorker::answer(Request& request) {
    const WorkerTask& task = request.task;
    if (!request.headed) return start_answer(request);
    if (request.sent >= task.size / 2 && task.fault == WorkerFault::cut) {
        end(request, RTW_ABORT);
        return true;
    }
    if (request.sent >= task.size / 2 && task.fault == WorkerFault::crash_later) {
        all_.crash(*this);
        return true;
    }
    if (request.sent < request.answer.size()) return send_body(request);
    if (task.fault == WorkerFault::too_much && lend(request, RTW_BODY, 0, "more")) honest_ = false;
    // One that answers early reads its body to the end, or does not care.
    const bool reads = task.id % 4 < 2;
    if (reads && (!request.complete || !request.body.empty())) return false;
    end(request, RTW_END);
    return true;
}

bool SimWorker::start_answer(Request& request) {
    if (request.task.fault == WorkerFault::interim && !request.warned) {
        request.warned = send_head(request, 103, "x-early");
        return request.warned;
    }
    const bool bad = request.task.fault == WorkerFault::bad_head;
    if (!send_head(request, 200, bad ? "content-length" : "x-worker")) return false;
    if (bad) honest_ = false;
    request.headed = true;
    return true;
}

bool SimWorker::send_head(Request& request, unsigned status, std::string_view field) {
    constexpr std::string_view kValue = "simulated";
    const auto text = static_cast<uint32_t>(sizeof(rtw_response_head) + sizeof(rtw_field));
    rtw_response_head head{};
    head.head_bytes = static_cast<uint32_t>(text + field.size() + kValue.size());
    head.status = static_cast<uint16_t>(status);
    head.field_count = 1;
    const bool known = request.task.known_length || request.bodyless;
    head.body_length = known && status == 200 ? request.task.size : RTW_UNKNOWN_LENGTH;
    rtw_field line{};
    line.name_offset = text;
    line.name_size = static_cast<uint16_t>(field.size());
    line.value_offset = static_cast<uint32_t>(text + field.size());
    line.value_size = static_cast<uint32_t>(kValue.size());
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes.append(reinterpret_cast<const char*>(&line), sizeof line);
    bytes.append(field).append(kValue);
    return lend(request, RTW_HEAD, 0, bytes);
}

bool SimWorker::send_body(Request& request) {
    bool any = false;
    for (size_t pieces = random_.between(1, 8); pieces > 0 && request.sent < request.task.size;
         --pieces) {
        // Whole units often: then the next one lies right behind.
        size_t size = random_.chance(500) ? RTW_UNIT_BYTES << 2 * random_.below(4)
                                          : random_.between(1, 5000);
        const std::string_view rest = std::string_view(request.answer).substr(request.sent);
        const std::string_view part = rest.substr(0, size);
        const bool last = part.size() == rest.size() && request.complete && request.body.empty() &&
                          request.task.fault == WorkerFault::none && random_.chance(500);
        if (request.unfreed + part.size() > RTW_WINDOW_BYTES ||
            !lend(request, RTW_BODY, last ? RTW_END_STREAM : 0, part))
            break;
        request.sent += part.size();
        any = true;
        if (!last) continue;
        forget(request);
        return true;
    }
    return any;
}

// --- What it says ---

// In one slab, by as many descriptors as the seed likes. False: no memory, or no room in the ring.
bool SimWorker::lend(Request& request, uint8_t kind, uint8_t flags, std::string_view bytes) {
    const auto size = static_cast<uint32_t>(bytes.size());
    const uint32_t units = rtw_slab_units(size);
    if (!has_room()) return false;
    const uint32_t slab = rtw_arena_take(&arena_, units);
    short_of_memory_ = short_of_memory_ || slab == RTW_NO_SLAB;
    if (slab == RTW_NO_SLAB) return false;
    slabs_[slab] = {units, size, size};
    request.unfreed += size;
    const uint32_t begin = slab * RTW_UNIT_BYTES;
    std::memcpy(reinterpret_cast<char*>(outgoing_) + RTW_ARENA_OFFSET + begin, bytes.data(), size);
    uint32_t done = 0;
    if (kind == RTW_BODY && size > 1 && random_.chance(300)) {
        done = static_cast<uint32_t>(random_.between(1, size - 1));
        say(kind, 0, request.exchange, begin, done);
    }
    say(kind, flags, request.exchange, begin + done, size - done);
    return true;
}

void SimWorker::say(uint8_t kind, uint8_t flags, uint32_t exchange, uint32_t offset,
                    uint32_t length) {
    rtw_desc desc{};
    desc.kind = kind;
    desc.flags = flags;
    desc.exchange = exchange;
    desc.offset = offset;
    desc.length = length;
    // The gateway always drains its ring, but here not while we wait for it.
    if (rtw_room(&producer_) == 0) return complain("left with a full ring");
    rtw_put(&producer_, &desc);
}

void SimWorker::end(Request& request, uint8_t kind, uint8_t flags) {
    say(kind, flags, request.exchange);
    forget(request);
}

void SimWorker::forget(Request& request) {
    --open_;
    requests_.erase(request.exchange);
}

void SimWorker::spew_garbage(uint32_t exchange) {
    honest_ = false;
    for (uint64_t count = random_.between(1, 40); count > 0 && rtw_room(&producer_) > 8; --count) {
        const size_t inside = memory_.front().bytes;
        const uint64_t offset = random_.chance(500) ? random_.below(inside) : random_.next();
        const uint64_t length = random_.chance(500) ? random_.below(70'000) : random_.next();
        say(static_cast<uint8_t>(random_.below(9)), static_cast<uint8_t>(random_.next()),
            random_.chance(700) ? exchange : static_cast<uint32_t>(random_.next()),
            static_cast<uint32_t>(offset), static_cast<uint32_t>(length));
    }
}

void SimWorker::publish() {
    const bool wanted = rtw_publish(&producer_) != RTW_WAKE_NEVER;
    const bool kind = all_.spec.kind;
    if (wanted && (kind || !random_.chance(20))) ring::ring_doorbell(memory_.front().bell);
    for (uint64_t more = !kind && random_.chance(20) ? random_.below(200) : 0; more > 0; --more)
        ring::ring_doorbell(memory_.front().bell);
}

// --- Who starts and ends them ---

SimWorkers::SimWorkers(ring::SimWorld& in, CoreRig& with, const SimWorkersSpec& how)
    : world(in), rig(with), spec(how), app_(with.supervisor().app(0)) {
    app_.unproven.store(0);
    start();
}

SimWorkers::~SimWorkers() = default;

uint32_t SimWorkers::alive() const {
    return static_cast<uint32_t>(std::count_if(workers_.begin(), workers_.end(),
                                               [](const auto& one) { return !one->ended; }));
}

void SimWorkers::start() {
    starting_ = false;
    if (closing_ || alive() >= spec.most + 1) return;  // One more while another is replaced.
    workers_.push_back(std::make_unique<SimWorker>(*this, static_cast<uint32_t>(workers_.size())));
    app_.ready.fetch_add(1);
}

void SimWorkers::crash(SimWorker& worker) {
    if (worker.ended) return;
    worker.ended = true;
    if (worker.state.is_open()) app_.ready.fetch_sub(1);
    worker.state.close();
    ASSERT(rig.reactor().post({&worker::CorePool::on_message_lose, &rig.workers(),
                               reinterpret_cast<uint64_t>(&worker.state)}));
    if (alive() > 0 || starting_) return;
    starting_ = true;
    world.after(world.random().below(50) * kMillisecond, [this] { start(); });
}

void SimWorkers::retire(SimWorker& worker) {
    if (worker.ended || !worker.state.is_open()) return;
    start();
    app_.ready.fetch_sub(1);
    if (worker.state.close() == 0) return crash(worker);
    const Nanoseconds patience = from_milliseconds(spec.app.timeout_ms + spec.app.grace_ms);
    if (!spec.kind) world.after(patience, [this, &worker] { crash(worker); });
}

void SimWorkers::hear(SimWorker& worker, uint32_t bits) {
    if (bits & worker::kWorkerBare && !worker.ended) {
        worker.share_memory();
        ++replaced_;
    }
    if (bits & (worker::kWorkerBroken | worker::kWorkerHung)) crash(worker);
    if (bits & (worker::kWorkerStruck | worker::kWorkerWornOut)) retire(worker);
    if (!worker.state.is_open() && worker.state.in_flight() == 0) crash(worker);
    if (spec.kind && bits & ~(worker::kWorkerReleased | worker::kWorkerWornOut |
                              worker::kWorkerDrained | worker::kWorkerBare))
        world.violate("an honest worker was accused");
}

void SimWorkers::tend() {
    for (worker::Notice* notice = rig.supervisor().board().take_all(); notice;) {
        worker::Notice* next = notice->next;
        const uint32_t bits = notice->bits.exchange(0);
        switch (notice->kind) {
            case worker::Notice::Kind::worker:
                hear(*static_cast<SimWorker*>(notice->subject), bits);
                break;
            case worker::Notice::Kind::app:
                if (alive() < spec.most) start();
                break;
            case worker::Notice::Kind::core:
                core_notice_ = notice;
                core_bits_ |= bits;
                break;
        }
        notice = next;
    }
    if (closing_ || !world.random().chance(spec.slims_per_mille)) return;
    SimWorker& one = *workers_[world.random().below(workers_.size())];
    if (one.ended) return;
    ASSERT(rig.reactor().post({&worker::CorePool::on_message_slim, &rig.workers(),
                               reinterpret_cast<uint64_t>(&one.state)}));
}

bool SimWorkers::closed() {
    closing_ = true;
    tend();
    for (auto& one : workers_) crash(*one);
    return std::all_of(workers_.begin(), workers_.end(), [](const auto& one) {
        return one->released();
    });
}

void SimWorkers::hand_notices_on() {
    if (core_notice_) rig.supervisor().board().post(*core_notice_, core_bits_);
}

void SimWorkers::note_begun(uint64_t id, bool idempotent) {
    ++begun_count_;
    if (++begun_[id] > (idempotent ? 2U : 1U))
        world.violate("request " + std::to_string(id) + " was begun more often than it may be");
}

}  // namespace ringtime::sim
