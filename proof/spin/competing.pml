/*
 * Those who compete, under Barging and Eventual: src/semaphore/queue.rs, arguments 5
 * and 6, and the event that they listen to. Requests for one permit compete; those for
 * two stand in line (HEAVY users); max is 2, or 0 for a while, so nobody stands aside.
 * Under EVENTUAL a request may at any moment be found to have waited for its bound; then
 * it joins the line.
 *
 * Memory is sequentially consistent, as in line.pml: the fences are proof/litmus's part.
 *
 * Every request here ends or waits, so a cycle of states would be a call that goes on for
 * ever. `run` looks for one too: there is none, however unfair the schedule is.
 *
 * BUSY is about argument 6. User 0 never comes once it is notified: its thread is busy.
 * User 1 waits, and the last user comes and goes for ever, so there are cycles. In each in
 * which everybody who can move does so at last, user 1 is woken again and again. LATE is
 * the number of releases after which one more is notified.
 *
 * -D options: USERS, HEAVY (so many of them, the last), EVENTUAL, CANCELS, RESIZES,
 * CLOSES, BUSY, LATE, RESERVES (newcomers leave permits to those who are overdue). BUG_... plants a mistake; `run` lists them.
 */

#ifndef USERS
#define USERS 3
#endif
#ifndef HEAVY
#define HEAVY 0
#endif
#ifndef MAX
#define MAX 1
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef RESIZES
#define RESIZES 0
#endif
#ifndef CLOSES
#define CLOSES 0
#endif
#ifndef LATE
#define LATE 1
#endif
#ifdef BUSY
#define comes(who) (who != 0)
#define is_watched(who) (who == 1)
#define is_endless(who) (who == USERS - 1)
#else
#define comes(who) true
#define is_watched(who) false
#define is_endless(who) false
#endif
#ifdef EVENTUAL
#define priority line_flag
#else
#define priority false
#endif

#define NONE 255

/* The word. */
byte taken = 0;
byte max = MAX;
bool queued = false;
bool closed = false;

/* The lock, and the line that it guards. */
bool locked = false;
byte line[USERS];
byte length = 0;

/* Published. */
bool line_flag = false;
mtype:verdict = { WAITING, GRANTED, CLOSED };
mtype:verdict told[USERS] = WAITING;
/* How many compete. It only says whether there is somebody to notify without the lock. */
byte count = 0;
#ifdef BUSY
/* Releases that notified nobody, since the last that did. */
byte passed = 0;
#endif

/* The event: who listens, in order, and who of them is notified. */
byte list[USERS];
byte listeners = 0;
bool notified[USERS];

byte need[USERS];
byte owned[USERS];
bool keeps[USERS];

#define fits(n) (taken + (n) <= max)

inline event_add(who) {
    d_step { list[listeners] = who; listeners++; notified[who] = false }
}

inline event_remove(who) {
    k = 0;
    do
    :: k < listeners && list[k] != who -> k++
    :: else -> break
    od;
    do
    :: k + 1 < listeners -> list[k] = list[k + 1]; k++
    :: else -> break
    od;
    if
    :: listeners > 0 -> listeners--; list[listeners] = 0
    :: else
    fi;
    notified[who] = false;
    k = 0;
}

/* So many are notified, with those who are already; or one more. Sets `any`. */
inline event_notify(n, more) {
    any = false;
    k = 0;
    b = 0;
    do
    :: k < listeners -> b = b + notified[list[k]]; k++
    :: else -> break
    od;
    b = (more -> 1 : (n > b -> n - b : 0));
    k = 0;
    do
    :: k < listeners && b > 0 ->
        if
        :: !notified[list[k]] -> notified[list[k]] = true; any = true; b--
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
    b = 0;
}

/* One that listens no more. */
inline leave() {
    d_step {
        seen = false;
        k = 0;
        do
        :: k < listeners ->
            if
            :: list[k] == me -> seen = true
            :: else
            fi;
            k++
        :: else -> break
        od;
        if
        :: seen ->
            seen = notified[me];
            event_remove(me);
#ifndef BUG_LEAVE_KEEPS_IT
            if
            :: seen -> event_notify(1, true)
            :: else
            fi
#endif
        :: else
        fi;
        any = false;
        seen = false;
        k = 0;
    }
}

/* As many as permits are free. Beside a line that has priority nobody, or one that has
 * waited for its bound. */
inline notify() {
    if
    :: !priority -> m = (max > taken -> max - taken : 0)
    :: priority -> m = 1
    :: priority -> m = 0
    fi;
    if
    :: m > 0 ->
        d_step {
#ifdef BUG_NOTIFY_ONE_LESS
            m = m - 1;
#endif
            event_notify(m, false);
            m = 0;
#ifndef BUSY
            any = false
        }
#else
        }
        after = (any -> 0 : passed + 1);
        if
        :: after > LATE ->
            after = 0;
#ifndef BUG_NOTIFY_NO_MORE
            d_step { event_notify(1, true) }
#endif
        :: else
        fi;
        d_step { passed = after; after = 0; any = false }
#endif
    :: else
    fi;
}

/* With the lock taken; lets it go. */
inline serve() {
    do
    ::  d_step {
            r = CONTINUE;
            if
            :: length == 0 ->
                taken = taken - returned;
                if
                :: returned > 0 -> owned[me] = 0
                :: else
                fi;
                returned = 0;
                queued = false;
                r = DONE
            :: else ->
                if
                :: !closed && taken - returned + need[line[0]] <= max ->
                    f = line[0];
                    taken = taken - returned + need[f];
                    if
                    :: returned > 0 -> owned[me] = 0
                    :: else
                    fi;
                    returned = 0;
                    assert(owned[f] == 0 && taken <= max);
                    owned[f] = need[f];
                    wakes = wakes | (1 << f);
                    k = 0;
                    do
                    :: k + 1 < length -> line[k] = line[k + 1]; k++
                    :: else -> break
                    od;
                    k = 0;
                    length--;
                    line[length] = 0;
                    f = 0;
                    if
                    :: length == 0 -> queued = false; r = DONE
                    :: else
                    fi
                :: else ->
                    taken = taken - returned;
                    if
                    :: returned > 0 -> owned[me] = 0
                    :: else
                    fi;
                    returned = 0;
                    r = AGAIN
                fi
            fi
        }
        if
        :: r != CONTINUE -> break
        :: else
        fi
    od;
    r = CONTINUE;
#ifndef BUG_CLEAR_WITHOUT_LOOK
    if
    :: length == 0 && listeners > 0 -> queued = true
    :: else
    fi;
#endif
    line_flag = (length > 0);
    tell(GRANTED);
}

/* Tells those in `wakes`, and lets the lock go. */
inline tell(what) {
    d_step {
        k = 0;
        do
        :: k < USERS ->
            if
            :: wakes & (1 << k) -> told[k] = what
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0;
        wakes = 0;
        locked = false
    }
}

inline hand_over() {
    atomic { !locked -> locked = true }
    serve();
    notify()
}

/* Sets r: DONE for a permit, CLOSE for closed, CONTINUE for neither. Who passes QUEUED
 * leaves `left`. */
inline try(n, barge, left) {
    d_step {
        r = CONTINUE;
        if
        :: closed -> r = CLOSE
        :: !closed && (!queued && fits(n) || barge && fits(n + left)) ->
            taken = taken + n;
            assert(owned[me] == 0 && taken <= max);
            owned[me] = n;
            r = DONE
        :: else
        fi
    }
}

/* Argument 5: it listens; now it looks. Sets r like `try`. */
inline look(left) {
    r = CONTINUE;
    /* The word, by a load; and by a write if QUEUED is not set. */
    if
    :: queued -> seen = closed || fits(1 + left)
    :: else ->
#ifdef BUG_LOOK_WITHOUT_QUEUED
        seen = closed || fits(1 + left)
#else
        d_step { seen = closed || fits(1 + left); queued = true }
#endif
    fi;
    if
    :: seen -> seen = false; try(1, !priority, 0)
    :: else -> seen = false
    fi;
}

/* What a newcomer leaves: as many as compete, if it finds that somebody is overdue. */
inline reserve() {
#ifdef RESERVES
    if
    :: left = count
    :: left = 0
    fi
#else
    left = 0
#endif
}

/* One that competed has its permit. A newcomer may have left it more than that. */
inline tell_of_the_rest() {
#if defined(RESERVES) && !defined(BUG_TELL_NOBODY_OF_THE_REST)
    notify()
#else
    skip
#endif
}

/* Into the line. Sets r: DONE and CLOSE as ever, CONTINUE when it waits there. */
inline enter_line(n) {
    atomic { !locked -> locked = true }
    r = CONTINUE;
    if
    :: length > 0 && priority -> d_step { line[length] = me; length++ }
    :: else ->
        try(n, true, 0);
        if
        :: r == CONTINUE ->
            line_flag = true;
            d_step {
                if
                :: closed -> r = CLOSE
                :: !closed && fits(n) ->
                    taken = taken + n;
                    assert(owned[me] == 0 && taken <= max);
                    owned[me] = n;
                    r = DONE
                :: else ->
                    queued = true;
                    line[length] = me;
                    length++
                fi
            }
        :: else
        fi
    fi;
    line_flag = (length > 0);
    locked = false;
}

mtype:step = { CONTINUE, DONE, AGAIN, CLOSE };

#define LOCALS \
    byte f = 0; byte k = 0; byte b = 0; byte m = 0; byte wakes = 0; byte returned = 0; \
    bool seen = false; bool any = false; mtype:step r = CONTINUE; bool handed = false; \
    byte after = 0; byte left = 0

proctype user(byte me) {
    LOCALS;
    byte cancels = CANCELS;
    need[me] = (me >= USERS - HEAVY -> 2 : 1);
#ifdef BUSY
    if
    :: !comes(me) -> goto competes
    :: else
    fi;
#endif
begins:
    /* By the word alone, or past QUEUED if nobody in line keeps it from that. */
    try(need[me], false, 0);
    if
    :: r == DONE -> goto has
    :: r == CLOSE -> goto over
    :: r == CONTINUE && !priority -> reserve(); try(need[me], true, left);
        if
        :: r == DONE -> goto has
        :: r == CLOSE -> goto over
        :: else
        fi
    :: r == CONTINUE
    fi;
    if
    :: need[me] == 2 ->
        enter_line(2);
        if
        :: r == DONE -> goto has
        :: r == CLOSE -> goto over
        :: else -> goto in_line
        fi
    :: else
    fi;
competes:
#ifdef BUG_LISTEN_LATE
    count++;
    look(0);
    event_add(me);
#else
    event_add(me);
    reserve();
    count++;
    look(left);
    left = 0;
#endif
end_competes:
    do
    :: r == DONE -> count--; leave(); tell_of_the_rest(); goto has
    :: r == CLOSE -> count--; leave(); goto over
    :: r == CONTINUE && notified[me] && comes(me) ->
#ifdef BUSY
        if
        :: is_watched(me) -> progress_is_woken: skip
        :: else
        fi;
#endif
        /* Its notification is used up by this. */
        d_step { event_remove(me) }
        try(1, !priority, 0);
        if
        :: r != CONTINUE
#ifdef EVENTUAL
        :: r == CONTINUE ->
            enter_line(1);
            count--;
            if
            :: r == DONE -> tell_of_the_rest(); goto has
            :: r == CLOSE -> goto over
            :: else -> goto in_line
            fi
#endif
        :: r == CONTINUE ->
            event_add(me);
#ifdef BUG_PASS_ON_WHAT_IS_OF_NO_USE
            d_step { event_notify(1, true); any = false }
#endif
#ifndef BUG_LISTEN_AGAIN_WITHOUT_LOOK
            look(0)
#endif
        fi
    :: r == CONTINUE && cancels > 0 ->
        cancels--;
        count--;
        leave();
        goto over
    od;
in_line:
    r = CONTINUE;
end_waits:
    if
    :: told[me] == GRANTED -> handed = true
    :: told[me] == CLOSED -> goto over
    fi;
has:
    r = CONTINUE;
    if
    :: !is_endless(me) -> keeps[me] = true; goto over
    :: true
    fi;
    seen = false;
    if
    :: handed -> seen = queued
    :: else
    fi;
    if
    :: seen -> seen = false; returned = owned[me]; hand_over()
    :: else ->
#ifdef BUG_NOTIFY_BEFORE_GIVING_BACK
        if
        :: queued && !line_flag -> notify()
        :: else
        fi;
        taken = taken - owned[me];
        owned[me] = 0;
#else
        d_step {
            taken = taken - owned[me];
            owned[me] = 0;
            seen = queued
        }
#endif
        if
        :: seen ->
            seen = false;
            if
            :: !line_flag && count > 0 -> notify()
            :: else -> hand_over()
            fi
        :: else
        fi
    fi;
over:
#ifdef BUSY
    if
    :: is_endless(me) && !closed -> handed = false; r = CONTINUE; goto begins
    :: is_watched(me) ->
        /* What it has waited for has come: there is nothing else to see. */
end_watched:
progress_watched:
        false
    :: else
    fi
#else
    skip
#endif
}

/* A pause, and its end; or the other way round. */
proctype resizer() {
    LOCALS;
    byte me = 0;
    byte times = RESIZES;
    do
    :: times > 0 ->
        times--;
        d_step { max = (max > 0 -> 0 : 2); seen = queued }
        if
        :: seen -> seen = false; hand_over()
        :: else
        fi
    :: else -> break
    od
}

proctype closer() {
    LOCALS;
    byte me = 0;
    /* Under the lock, so that a release that serves several is before it or after it. */
    atomic { !locked -> locked = true }
    closed = true;
    locked = false;
    atomic { !locked -> locked = true }
    d_step {
        do
        :: length > 0 -> length--; wakes = wakes | (1 << line[length]); line[length] = 0
        :: else -> break
        od;
        queued = false
    }
    line_flag = false;
    tell(CLOSED);
#ifndef BUG_CLOSE_TELLS_THE_LINE_ONLY
    d_step { event_notify(USERS, false); any = false }
#endif
}

/* When nobody can move any more: is that right? */
proctype judge() {
    byte k = 0;
    byte sum = 0;
    timeout ->
    d_step {
        assert(!locked);
        assert(line_flag == (length > 0));
        /* All who listen are counted, and wait. */
        assert(count == listeners);
        assert(length + count == 0 || !closed);
        assert(length == 0 && count == 0 || queued);
        assert(length == 0 || !fits(need[line[0]]));
        assert(count == 0 || !fits(1) || priority);
        k = 0;
        do
        :: k < USERS -> assert(owned[k] == 0 || keeps[k]); sum = sum + owned[k]; k++
        :: else -> break
        od;
        assert(taken == sum)
    }
}

init {
    atomic {
        byte i = 0;
        do
        :: i < USERS -> run user(i); i++
        :: else -> break
        od;
#if RESIZES
        run resizer();
#endif
#if CLOSES
        run closer();
#endif
#ifndef BUSY
        run judge()
#endif
    }
}
