"""Writes series in every form, slice by slice, so that the largest answer needs little memory."""
