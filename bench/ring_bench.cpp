// The hop between a core and a worker. Within one thread: what the protocol costs by itself, both
// sides, per request and answer. Between two threads: a round trip while both look, and one
// descriptor in a full stream. The answer is checked before anything is timed.
#include <benchmark/benchmark.h>

#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "ringtime/worker_abi.h"
#include "worker/heads.h"

namespace {

using namespace ringtime;

struct Rings {
    std::unique_ptr<rtw_region> a = std::make_unique<rtw_region>();
    std::unique_ptr<rtw_region> b = std::make_unique<rtw_region>();
    Rings() {
        std::memset(a.get(), 0, sizeof(rtw_region));
        std::memset(b.get(), 0, sizeof(rtw_region));
    }
    rtw_producer gateway_out() { return {a.get(), b.get(), 0, 0, 0}; }
    rtw_consumer worker_in() { return {a.get(), b.get(), 0, 0}; }
    rtw_producer worker_out() { return {b.get(), a.get(), 0, 0, 0}; }
    rtw_consumer gateway_in() { return {b.get(), a.get(), 0, 0}; }
};

void pass(rtw_consumer& in, rtw_producer& out) {
    for (uint32_t left = rtw_available(&in); left; --left) {
        rtw_desc desc;
        rtw_take(&in, &desc);
        rtw_put(&out, &desc);
    }
    rtw_release(&in);
    rtw_publish(&out);
}

void ping_pong_batch(benchmark::State& state) {
    Rings rings;
    rtw_producer gateway_out = rings.gateway_out();
    rtw_consumer worker_in = rings.worker_in();
    rtw_producer worker_out = rings.worker_out();
    rtw_consumer gateway_in = rings.gateway_in();
    auto batch = static_cast<uint32_t>(state.range(0));
    uint32_t expected = 0;
    uint32_t sent = 0;
    for (auto _ : state) {
        for (uint32_t i = 0; i < batch; ++i) {
            (void)rtw_room(&gateway_out);
            rtw_desc desc{.kind = RTW_REQUEST, .exchange = sent++};
            rtw_put(&gateway_out, &desc);
        }
        rtw_publish(&gateway_out);
        (void)rtw_room(&worker_out);
        pass(worker_in, worker_out);
        for (uint32_t left = rtw_available(&gateway_in); left; --left) {
            rtw_desc desc;
            rtw_take(&gateway_in, &desc);
            if (desc.exchange != expected++) std::abort();
        }
        rtw_release(&gateway_in);
    }
    state.SetItemsProcessed(static_cast<int64_t>(expected));
}
BENCHMARK(ping_pong_batch)->Arg(1)->Arg(16)->Arg(64);

void ping_pong_threads(benchmark::State& state) {
    Rings rings;
    std::atomic<bool> stop{false};
    std::thread worker([&] {
        rtw_consumer in = rings.worker_in();
        rtw_producer out = rings.worker_out();
        for (unsigned idle = 0; !stop.load(std::memory_order_relaxed); ++idle) {
            if (rtw_available(&in) == 0) {
                if (idle % 1024 == 0) sched_yield();
                continue;
            }
            pass(in, out);
        }
    });
    rtw_producer out = rings.gateway_out();
    rtw_consumer in = rings.gateway_in();
    uint32_t count = 0;
    for (auto _ : state) {
        (void)rtw_room(&out);
        rtw_desc desc{.kind = RTW_REQUEST, .exchange = count};
        rtw_put(&out, &desc);
        rtw_publish(&out);
        for (unsigned idle = 1; rtw_available(&in) == 0; ++idle)
            if (idle % 1024 == 0) sched_yield();
        rtw_take(&in, &desc);
        rtw_release(&in);
        if (desc.exchange != count++) std::abort();
    }
    stop = true;
    worker.join();
    state.SetItemsProcessed(static_cast<int64_t>(count));
}
BENCHMARK(ping_pong_threads)->UseRealTime();

void encode_head(benchmark::State& state) {
    http::FieldTable table;
    table.clear();
    table.base = "accept*/*user-agentwrk/4.1";
    table.add({.name_offset = 0, .name_size = 6, .value_offset = 6, .value_size = 3});
    table.add({.name_offset = 9, .name_size = 10, .value_offset = 19, .value_size = 7});
    http::FieldDraft draft;
    draft.begin(table);
    worker::WorkerRequest request;
    request.method_text = "GET";
    request.path = "/api/things/17";
    request.host = "example.test";
    request.base = "/app";
    request.peer = "192.0.2.1";
    request.request_id = "0123456789abcdef0123456789abcdef";
    request.fields = &draft;
    alignas(16) char out[4096];
    for (auto _ : state) {
        uint32_t bytes = worker::request_head_bytes(request);
        worker::encode_request_head(request, 30'000, out, bytes);
        benchmark::DoNotOptimize(out);
    }
}
BENCHMARK(encode_head);

}  // namespace

BENCHMARK_MAIN();
