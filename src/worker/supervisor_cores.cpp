// Between the supervisor and the cores: memory that is handed to a worker and a core at once, and
// cores that come and go.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/log.h"
#include "ringtime/worker_abi.h"
#include "worker/core_pool.h"
#include "worker/supervisor.h"

namespace ringtime::worker {

/// False: a core got no link for lack of something; ready workers try again at every tick.
bool Supervisor::attach_all(Worker& worker) {
    bool all = true;
    for (unsigned core = 0; core < options_.cores; ++core) all = attach(worker, core) && all;
    worker.unlinked = !all;
    return all;
}

/// What is tried again and again is said once a second.
void Supervisor::tell_shortage(const AppSpec& spec, std::string_view what, int error) {
    if (now_ < shortage_told_ + kNanosecondsPerSecond) return;
    shortage_told_ = now_;
    log_format(LogLevel::error, "worker", "app={} {}: {}", spec.name, what, std::strerror(error));
}

bool Supervisor::send_control(int socket, const rtw_control& control, std::span<const int> fds) {
    iovec part{const_cast<rtw_control*>(&control), sizeof control};
    alignas(cmsghdr) char space[CMSG_SPACE((3 * limits::cores_max + 1) * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

bool Supervisor::attach(Worker& worker, unsigned core) {
    CoreSeat& seat = *seats_[core];
    uint64_t bit = uint64_t{1} << core;
    bool has_memory = (worker.attached_cores & ~worker.bare_cores & bit) != 0;
    if (!seat.member || seat.leaving || has_memory) return true;
    auto offer = std::make_unique<LinkOffer>();
    offer->pool = seat.member;
    offer->worker = &worker.state;
    Fd fds[2];
    int error = offer->region.create(core, options_.arena_bytes, fds[0], fds[1]);
    bool spare = worker.role == WorkerRole::spare;
    int bell = error == 0 && spare ? fcntl(offer->region.doorbell(), F_DUPFD_CLOEXEC, 0) : -1;
    if (error == 0 && spare && bell < 0) error = errno;
    if (error != 0) {
        tell_shortage(worker.app->state.spec, "cannot share memory with a worker", error);
        return false;
    }
    if (spare) {
        worker.memory.resize(3 * size_t{options_.cores});
        Fd* kept = &worker.memory[3 * size_t{core}];
        kept[0] = std::move(fds[0]);
        kept[1] = std::move(fds[1]);
        kept[2] = Fd(bell);
    } else {
        rtw_control control{};
        control.kind = RTW_ATTACH;
        control.core = core;
        control.concurrency = worker.state.concurrency;
        control.region_bytes = offer->region.bytes();
        control.spin_ns = uint64_t{options_.spin_us} * 1000;
        int passed[3] = {fds[0].get(), fds[1].get(), offer->region.doorbell()};
        if (!send_control(worker.channels.control.get(), control, passed)) {
            // It may be at work for long and read nothing meanwhile. Memory is not made for it
            // again and again.
            tell_shortage(worker.app->state.spec, "a worker does not take its memory", errno);
            worker.offer_again = now_ + kNanosecondsPerSecond;
            return false;
        }
    }
    worker.attached_cores |= bit;
    worker.bare_cores &= ~bit;
    ++worker.attached;
    post(core, {&CorePool::on_message_attach, offer.release(), 0});
    return true;
}

void Supervisor::join(CorePool& pool) noexcept {
    CoreSeat& seat = *seats_[pool.reactor().core()];
    seat.released.store(false, std::memory_order_relaxed);
    seat.pool.store(&pool, std::memory_order_release);
    board_.post(seat.notice, kCoreJoined);
}

void Supervisor::leave(CorePool& pool) noexcept {
    board_.post(seats_[pool.reactor().core()]->notice, kCoreLeft);
}

// A core may post to another's reactor for as long as it lives itself: they go together.
void Supervisor::let_cores_go() {
    for (auto& seat : seats_)
        if (seat->member && !seat->leaving) return;
    for (unsigned core = 0; core < options_.cores; ++core) {
        CorePool* pool = seats_[core]->member;
        if (!pool) continue;
        for (auto& worker : workers_)
            if (worker->used && (worker->attached_cores >> core & 1))
                post(core, {&CorePool::on_message_lose, pool,
                            reinterpret_cast<uint64_t>(&worker->state)});
        post(core, {&CorePool::on_message_left, pool, 0});
    }
    flush_outboxes();
}

void Supervisor::post(unsigned core, const loop::Message& message) {
    CorePool* pool = seats_[core]->member;
    if (!pool) return;
    seats_[core]->outbox.emplace_back(pool, message);
    flush_outboxes();
}

void Supervisor::flush_outboxes() {
    for (auto& seat : seats_) {
        while (!seat->outbox.empty()) {
            auto& [pool, message] = seat->outbox.front();
            bool last = message.function == &CorePool::on_message_left;
            if (last) seat->pool.store(nullptr, std::memory_order_release);
            if (!pool->reactor().post(message)) break;
            seat->outbox.pop_front();
            if (!last) continue;
            seat->member = nullptr;
            seat->leaving = false;
            seat->released.store(true, std::memory_order_release);
        }
    }
}

}  // namespace ringtime::worker
