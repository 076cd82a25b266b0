#ifndef ERROR_H
#define ERROR_H

extern int errno;

extern int error_intr;
extern int error_nomem;

/* Nothing is compiled here: this file is what the guide's patch command changes. */

#endif
