#pragma once
// One kernel operation as plain data, embedded in the object it serves. The owner fills it, hands
// it to Ring::submit and may not die before it has completed. A multishot operation completes many
// times and stays in flight until `more` is false. Completion handlers note what happened and wake
// somebody; they never run protocol work.

#include <cstdint>

namespace ringtime::ring {

enum class OpKind : uint8_t {
    nop,      ///< What an Op is that nobody has filled.
    accept,   ///< `address`: sockaddr_storage, `offset`: pointer to its socklen_t. Result: fd.
    receive,  ///< Into `address`, or into a buffer of `group` when that is set.
    receive_multishot,  ///< Always into buffers of `group`.
    send,               ///< `address`, `length`; `flags` are MSG_*.
    send_message,       ///< `address`: msghdr that stays valid until completion; `flags` are MSG_*.
    connect,            ///< `address`: sockaddr of `length` bytes.
    close,
    cancel,   ///< Every operation on `fd`; result: how many, or -ENOENT.
    poll,     ///< Once, for the events in `flags`.
    read,     ///< `address`, `length` at `offset`.
    open_at,  ///< `fd`: directory, `address`: path, `offset`: pointer to open_how.
};

/// The pools of receive buffers of a core.
enum class BufferGroup : uint8_t { small, bulk, none = 255 };

struct Op {
    using Handler = void (*)(Op&) noexcept;

    Handler on_complete = nullptr;
    void* owner = nullptr;  ///< For the handler.
    void* address = nullptr;
    uint64_t offset = 0;
    int fd = -1;
    uint32_t length = 0;
    uint32_t flags = 0;
    int32_t result = 0;  ///< Bytes, a descriptor or a count; negative: -errno.
    OpKind kind = OpKind::nop;
    BufferGroup group = BufferGroup::none;
    bool in_flight = false;  ///< Kept by the ring.
    bool more = false;       ///< A multishot operation goes on after this completion.
    bool has_buffer = false; ///< This completion hands over buffer `buffer` of `group`.
    bool poll_first = false; ///< A receive that waits for readiness before it takes a buffer.
    uint16_t buffer = 0;
};
static_assert(sizeof(Op) <= 64, "one cache line");

}  // namespace ringtime::ring
