// A timer core of one's own: one sorted list of timers a CPU, one lock for all lists, callbacks in the interrupt.
// docs/write-a-model.md explains it part by part.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <ticklab/lab/program.hpp>
#include <ticklab/sim/devices/local_apic_registers.hpp>
#include <ticklab/sim/machine.hpp>
#include <vector>

namespace {

namespace sim = ticklab::sim;

// 1. What happens, as records.
using enum sim::TimelineShape;
constexpr sim::Operand kTimerOperand{"timer", sim::OperandType::kObject};
constexpr sim::RecordKind kRecords[] = {
    {32768, "list", "timer_set", "timer", kAsyncBegin, "timer pending", "a timer was set", {kTimerOperand}},
    {32769, "list", "timer_stop", "timer", kAsyncEnd, "timer pending", "a timer was stopped", {kTimerOperand}},
    {32770, "list", "timer_expire", "timer", kAsyncEnd, "timer pending", "a callback starts", {kTimerOperand}}};

// 2. Where another CPU may come in between, and what a step costs.
constexpr sim::Site kBeforeCallback{"list.expire.before_callback", "the timer is off its list, the lock dropped"};
constexpr const sim::Site* kSites[] = {&kBeforeCallback};
constexpr sim::CostDecl kCosts[] = {{"list_step", "one step along a sorted list"}};

// 3. What a scenario can ask for.
constexpr sim::ParameterDecl kOptions[] = {
    {"forget", sim::ValueType::kBool, "a defect: a set does not program the hardware", false, "false"}};
constexpr sim::ParameterDecl kSetParameters[] = {
    {"timer", sim::ValueType::kTimer, "name of the timer", true},
    {"expires", sim::ValueType::kTime, "earliest instant at which the callback may run", true}};
constexpr sim::ParameterDecl kStopParameters[] = {{"timer", sim::ValueType::kTimer, "name of the timer", true}};
constexpr sim::VerbDecl kVerbs[] = {
    {"timer.set", sim::VerbContext::kThread, sim::TimerRole::kArm, "sets a timer on this CPU", kSetParameters},
    {"timer.stop", sim::VerbContext::kThread, sim::TimerRole::kCancel, "takes a timer off its list", kStopParameters}};
constexpr sim::StateDecl kStates[] = {{"timers.queued", "timers on the lists of all CPUs"}};
constexpr std::string_view kVersions[] = {"1"};

constexpr std::uint8_t kTimerVector = 0xec, kWakeUpVector = 0xf0, kSpuriousVector = 0xff;

class ListKernel final : public sim::Kernel {
public:
    ListKernel(bool forget, sim::TimerClient& client) : forget_(forget), client_(client) {}

    // 4. From boot to sleep.
    void boot(sim::Machine& machine) override {
        if (!machine.config().tsc_deadline_timer)
            throw std::invalid_argument("this kernel needs a machine with a TSC-deadline timer");
        machine_ = &machine;
        step_ = machine.price("list_step");
        lock_ = std::make_unique<sim::SpinLock>(machine, machine.lock_class("timer lists"), "timer lists");
        for (sim::CpuId c = 0; c < machine.cpu_count(); ++c)
            lists_.emplace_back(*lock_);
    }
    void cpu_start(sim::Cpu& cpu) override {
        cpu.apic_write(sim::apic::kSvr, sim::apic::kSvrEnable | kSpuriousVector);
        cpu.apic_write(sim::apic::kLvtTimer, sim::apic::kLvtTimerDeadlineBit | kTimerVector);
    }
    void idle_pass(sim::Cpu& cpu) override {
        cpu.irq_disable();
        cpu.halt(0);
    }
    void kick(sim::Cpu& from, sim::Cpu& target) override { from.send_ipi(target.id(), kWakeUpVector); }
    void nmi(sim::Cpu&) override {}
    void exit_to_user(sim::Cpu&) override {}
    std::span<const sim::HotplugState> hotplug_states() override { return {}; }

    // 5. The core itself.
    void perform(sim::Cpu& cpu, const sim::VerbCall& call) override {
        const auto timer = static_cast<sim::TimerIndex>(call.get<std::int64_t>(0));
        const sim::SpinLockIrqGuard guard(cpu, *lock_);
        const bool was_queued = remove(cpu, timer);
        if (call.verb == &kVerbs[0])
            insert(cpu, timer, call.get<sim::Time>(1));
        else if (was_queued)
            cpu.record(kRecords[1], name(timer));
    }
    void interrupt(sim::Cpu& cpu, std::uint8_t vector) override {
        cpu.apic_eoi();
        if (vector != kTimerVector)
            return;
        lock_->acquire(cpu);
        for (List* list = &mine(cpu); !list->empty() && list->front().deadline <= cpu.read_tsc(); list = &mine(cpu)) {
            const sim::TimerIndex timer = list->front().timer;
            list->erase(list->begin());
            cpu.record(kRecords[2], name(timer));
            lock_->release(cpu);
            cpu.at(kBeforeCallback);
            client_.timer_fired(cpu, timer);
            lock_->acquire(cpu);
        }
        program(cpu);
        lock_->release(cpu);
    }

    // 6. What the checkers hold it to.
    sim::TimerPromise promise(const sim::VerbCall& call, sim::Time now) const override {
        const sim::Time expires = call.get<sim::Time>(1);
        return {expires, std::max(expires, now) + std::chrono::nanoseconds{1}};  // the TSC's resolution
    }
    void visit(sim::StructureVisitor& visitor) const override {
        for (sim::CpuId c = 0; c < lists_.size(); ++c)
            for (std::size_t i = 0; const Queued& q : lists_[c].peek())
                visitor.timer(c, q.timer, "list", i++, static_cast<std::int64_t>(q.deadline));
    }
    std::optional<std::int64_t> state(std::string_view) const override {
        std::size_t queued = 0;
        for (const sim::Guarded<List>& list : lists_)
            queued += list.peek().size();
        return static_cast<std::int64_t>(queued);
    }
    void perform_outside(const sim::VerbCall&) override {}

private:
    struct Queued {
        std::uint64_t deadline;  // in ticks of the TSC
        sim::TimerIndex timer;
    };
    using List = std::vector<Queued>;

    List& mine(sim::Cpu& cpu) { return lists_[cpu.id()].write(cpu); }
    bool remove(sim::Cpu& cpu, sim::TimerIndex timer) {
        std::size_t removed = 0;
        for (sim::Guarded<List>& list : lists_)
            removed += std::erase_if(list.write(cpu), [timer](const Queued& q) { return q.timer == timer; });
        return removed != 0;
    }
    void insert(sim::Cpu& cpu, sim::TimerIndex timer, sim::Time expires) {
        List& list = mine(cpu);
        const std::uint64_t deadline = tsc_not_before(expires);
        auto place = list.begin();
        for (; place != list.end() && place->deadline <= deadline; ++place)
            cpu.spend(step_);
        list.insert(place, {deadline, timer});
        cpu.record(kRecords[0], name(timer));
        if (!forget_)
            program(cpu);
    }
    // The one place that programs a CPU's timer: for the first of its list. 0 disarms.
    void program(sim::Cpu& cpu) {
        const List& list = mine(cpu);
        cpu.write_tsc_deadline(list.empty() ? 0 : std::max<std::uint64_t>(1, list.front().deadline));
    }
    std::uint64_t tsc_not_before(sim::Time t) const {
        constexpr std::uint64_t kPicosecondsPerSecond = 1'000'000'000'000;
        const sim::UInt128 product = sim::UInt128{static_cast<std::uint64_t>(sim::ps(t))} * machine_->config().tsc_hz;
        return static_cast<std::uint64_t>((product + kPicosecondsPerSecond - 1) / kPicosecondsPerSecond);
    }
    std::uint64_t name(sim::TimerIndex timer) const { return machine_->intern(client_.timer_name(timer)); }

    bool forget_;
    sim::TimerClient& client_;
    sim::Machine* machine_ = nullptr;
    sim::Price step_;
    std::unique_ptr<sim::SpinLock> lock_;
    std::deque<sim::Guarded<List>> lists_;  // one a CPU; touched without the lock, a verdict
};

// 7. The declaration.
std::unique_ptr<sim::Kernel> make(const sim::KernelDecl::Settings& settings, sim::TimerClient& client) {
    return std::make_unique<ListKernel>(std::get<bool>(*settings.options[0]), client);
}

constexpr sim::KernelDecl kListKernel{.name = "list",
                                      .help = "one sorted list of timers a CPU",
                                      .versions = kVersions,
                                      .options = kOptions,
                                      .verbs = kVerbs,
                                      .states = kStates,
                                      .changes = {},
                                      .checks = {},
                                      .costs = kCosts,
                                      .records = kRecords,
                                      .sites = kSites,
                                      .make = &make};

}  // namespace

// 8. The program.
int main(int argc, char** argv) {
    ticklab::lab::add_data_folder(TICKLAB_DATA_DIR);
    ticklab::lab::register_kernel(kListKernel);
    return ticklab::lab::run_program(argc, argv);
}
