/* The door to columns of text: the type Texts and the functions that make, sort and write them. */
#ifndef MRFRAME_SORT_DOOR_H
#define MRFRAME_SORT_DOOR_H

#include "scan_door.h"

int add_sort_types(PyObject *module);

#endif
