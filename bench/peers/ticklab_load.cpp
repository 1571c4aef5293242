// The loads of bench/load.hpp on ticklab's engine, on its bare pending set, and on a heap loop.
#include <cstdio>

#include "engine_loads.hpp"
#include "executors.hpp"

namespace {

using namespace ticklab::bench;

struct Variant {
    const char* name;
    void (*phold)(const char*, const Request&);
    void (*ticks)(const char*, const Request&);
};

constexpr Variant kVariants[] = {
    {"engine", run_and_print<EngineExecutor, PholdLoad>, run_and_print<EngineExecutor, TicksLoad>},
    {"pending-set", run_and_print<PendingSetExecutor, PholdLoad>, run_and_print<PendingSetExecutor, TicksLoad>},
    {"heap-loop", run_and_print<HeapExecutor, PholdLoad>, run_and_print<HeapExecutor, TicksLoad>},
};

}  // namespace

int main(int argc, char** argv) {
    const Request request = parse_request(argc, argv);
    for (const Variant& v : kVariants) {
        if (request.variant == v.name) {
            (request.load == "phold" ? v.phold : v.ticks)(v.name, request);
            return 0;
        }
    }
    std::fprintf(stderr, "unknown variant '%s': expected engine, pending-set or heap-loop\n", request.variant.c_str());
    return 2;
}
