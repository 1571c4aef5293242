// The loads of bench/load.hpp on ns-3: one Simulator::Schedule per event, at nanosecond resolution (its default).
#include <ns3/core-module.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "load.hpp"

namespace {

using namespace ticklab::bench;

std::uint64_t now_ns() { return static_cast<std::uint64_t>(ns3::Simulator::Now().GetTimeStep()); }

class PholdOnNs3 {
public:
    explicit PholdOnNs3(std::uint32_t count) : processes_(count), messages_(count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            messages_[i] = {this, i, 0, i};
            messages_[i].send();
        }
    }
    const std::vector<Process>& processes() const { return processes_; }

private:
    struct Message {
        PholdOnNs3* load;
        std::uint32_t number;
        std::uint32_t hops;
        std::uint32_t to;

        void arrive() {
            load->processes_[to].handle(now_ns(), number);
            send();
        }
        void send() {
            const Phold::Hop hop = Phold::hop(number, hops++, to, static_cast<std::uint32_t>(load->processes_.size()));
            to = hop.to;
            ns3::Simulator::Schedule(ns3::NanoSeconds(hop.delay_ns), &Message::arrive, this);
        }
    };
    std::vector<Process> processes_;
    std::vector<Message> messages_;
};

class TicksOnNs3 {
public:
    explicit TicksOnNs3(std::uint32_t count) : processes_(count), tickers_(count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            tickers_[i] = {&processes_[i], i};
            ns3::Simulator::Schedule(ns3::NanoSeconds(Ticks::first_ns(i, count)), &Ticker::tick, &tickers_[i]);
        }
    }
    const std::vector<Process>& processes() const { return processes_; }

private:
    struct Ticker {
        Process* process;
        std::uint32_t number;

        void tick() {
            process->handle(now_ns(), number);
            ns3::Simulator::Schedule(ns3::NanoSeconds(Ticks::kPeriodNs), &Ticker::tick, this);
        }
    };
    std::vector<Process> processes_;
    std::vector<Ticker> tickers_;
};

template <class Load>
void run(const Request& request) {
    Load load(request.processes);
    // What is due at the last instant still runs, as in ticklab.
    ns3::Simulator::Stop(ns3::NanoSeconds(request.virtual_ns + 1));
    const Stopwatch watch;
    ns3::Simulator::Run();
    print_result("ns-3", request.variant.c_str(), request, load.processes(), watch.seconds());
    ns3::Simulator::Destroy();
}

struct Scheduler {
    const char* name;
    const char* type;
};
constexpr Scheduler kSchedulers[] = {
    {"map", "ns3::MapScheduler"},
    {"heap", "ns3::HeapScheduler"},
    {"priority-queue", "ns3::PriorityQueueScheduler"},
    {"calendar", "ns3::CalendarScheduler"},
};

}  // namespace

int main(int argc, char** argv) {
    const Request request = parse_request(argc, argv);
    for (const Scheduler& s : kSchedulers) {
        if (request.variant == s.name) {
            ns3::ObjectFactory factory;
            factory.SetTypeId(s.type);
            ns3::Simulator::SetScheduler(factory);
            request.load == "phold" ? run<PholdOnNs3>(request) : run<TicksOnNs3>(request);
            return 0;
        }
    }
    std::fprintf(stderr, "unknown variant '%s': expected map, heap, priority-queue or calendar\n",
                 request.variant.c_str());
    return 2;
}
